import OrderedCollections
import Tensors

extension ForeignQuantization {
  /// The tensors of a model with the parts of quantized matrices joined to matrices of floats, `NAME.weight`; `config` is that of the
  /// model.
  ///
  /// - Throws: `badInput` when parts contradict each other, `missingInput` when one is not there.
  public func join(
    _ stored: OrderedDictionary<String, any TensorReader>, config: JSONValue
  ) throws(LMToolError) -> OrderedDictionary<String, any TensorReader> {
    var joined = stored.filter { name, _ in !Self.isOfActivations(name) }
    for name in stored.keys {
      guard let marker = markers.first(where: { name.hasSuffix("." + $0) }) else { continue }
      let module = ForeignModule(name: String(name.dropLast(marker.count + 1)), tensors: stored)
      guard let matrix = try matrix(module, config) else { continue }
      if !parts.contains("weight"), stored[matrix.name] != nil {
        throw LMToolError(
          .badInput, "it is there both as a matrix and in parts", file: matrix.parts[0].file.path, at: .tensor(matrix.name),
          rule: "QUANT-4")
      }
      for part in parts { joined[module.name + "." + part] = nil }
      joined[matrix.name] = matrix
    }
    return joined
  }

  /// The parts that tell that a matrix is quantized.
  private var markers: [String] {
    switch self {
    case .gptq, .awq: ["qweight"]
    case .mlx: ["scales"]
    case .packed: ["weight_packed"]
    case .scaled: ["weight_scale_inv", "weight_scale", "qscale_weight"]
    case .bitsAndBytes: ["weight.absmax", "SCB"]
    }
  }

  /// All parts.
  private var parts: [String] {
    switch self {
    case .gptq, .awq: ["qweight", "qzeros", "scales", "g_idx"]
    case .mlx: ["weight", "scales", "biases"]
    case .packed: ["weight_packed", "weight_scale", "weight_shape", "weight_zero_point", "weight_g_idx"]
    case .scaled: ["weight", "weight_scale_inv", "weight_scale", "qscale_weight"]
    case .bitsAndBytes:
      ["weight", "SCB", "weight_format"]
        + ["absmax", "quant_map", "nested_absmax", "nested_quant_map", Self.state + "nf4", Self.state + "fp4"].map {
          "weight." + $0
        }
    }
  }

  private static let state = "quant_state.bitsandbytes__"

  private static func isOfActivations(_ name: String) -> Bool {
    ["input_scale", "input_zero_point", "activation_scale", "output_scale", "k_scale", "v_scale", "q_scale", "qscale_act"]
      .contains {
        name.hasSuffix("." + $0)
      }
  }

  private func matrix(_ module: ForeignModule, _ config: JSONValue) throws(LMToolError) -> (any MatrixRows)? {
    let name = module.name + ".weight"
    switch self {
    case .gptq(let bits, let groupSize, let zeroOffset):
      return try GroupedColumnsTensor(
        gptq: name, bits: bits, groupSize: groupSize, codes: try module.part("qweight"), zeros: try module.part("qzeros"),
        scales: try module.part("scales"), index: try module.optionalPart("g_idx"), zeroOffset: zeroOffset)
    case .awq(let groupSize):
      return try GroupedColumnsTensor(
        awq: name, groupSize: groupSize, codes: try module.part("qweight"), zeros: try module.part("qzeros"),
        scales: try module.part("scales"))
    case .mlx: return try mlx(module, config)
    case .packed:
      return try GroupedRowsTensor(
        packed: name, inputs: try module.inputs(), codes: try module.part("weight_packed"),
        scales: try module.part("weight_scale"), zeros: try module.optionalPart("weight_zero_point"),
        index: try module.optionalPart("weight_g_idx"))
    case .scaled(let blockSize):
      let scales = ["weight_scale_inv", "qscale_weight"].first { module.has($0) } ?? "weight_scale"
      return try ScaledTensor(
        name: name, codes: try module.part("weight"), scales: try module.part(scales), blockSize: blockSize)
    case .bitsAndBytes: return try module.has("SCB") ? bytes(module) : lookup(module)
    }
  }

  /// bitsandbytes' LLM.int8(): a scale for each output, 127 times too large. Rule QUANT-6.
  private func bytes(_ module: ForeignModule) throws(LMToolError) -> any MatrixRows {
    let codes = try module.part("weight"), scales = try module.part("SCB")
    if let order = try module.optionalPart("weight_format"), order.count != 1 ? true : try order.floats(0..<1) != [0] {
      throw order.refuse("the codes lie in the order of a GPU; only rows are read", rule: 6)
    }
    try codes.check([.i8], codes.shape)
    // The constant is that of bitsandbytes.
    return try ScaledTensor(
      name: module.name + ".weight", codes: codes, scales: scales, blockSize: nil, factor: 7.874015718698502e-3)
  }

  /// bitsandbytes' NF4 and FP4. Rule QUANT-6.
  private func lookup(_ module: ForeignModule) throws(LMToolError) -> any MatrixRows {
    let kind = module.has("weight." + Self.state + "fp4") ? "fp4" : "nf4"
    let bytes = try module.part("weight." + Self.state + kind)
    guard bytes.range.count <= 1 << 16 else { throw bytes.refuse("a state has \(bytes.range.count) bytes", rule: 6) }
    let state: LookupTensor.State
    do throws(LMToolError) {
      state = try bytes.withBytes { (json) throws(LMToolError) in try decodeJSON(LookupTensor.State.self, bytes: json) }
    } catch { throw bytes.refuse("it is not the state of a quantized matrix: \(error.message)", rule: 6) }
    let isNested = module.has("weight.nested_absmax")
    return try LookupTensor(
      name: module.name + ".weight", state: state, codes: try module.part("weight"), table: try module.part("weight.quant_map"),
      magnitudes: try module.part("weight.absmax"),
      nested: isNested ? (try module.part("weight.nested_quant_map"), try module.part("weight.nested_absmax")) : nil)
  }

  /// MLX: numbers may differ from matrix to matrix. Rule QUANT-5.
  private func mlx(_ module: ForeignModule, _ config: JSONValue) throws(LMToolError) -> (any MatrixRows)? {
    guard let general = config["quantization"] ?? config["quantization_config"] else { return nil }
    let own = general[module.name] ?? general
    let mode = (own["mode"] ?? general["mode"])?.string ?? "affine"
    if let mode = MicroscaledTensor.Mode(rawValue: mode) {
      guard (own["bits"] ?? general["bits"])?.int == mode.bits,
        (own["group_size"] ?? general["group_size"])?.int == mode.groupSize
      else {
        throw Self.refuse("MLX matrices in the mode \(mode.rawValue) have \(mode.bits) bits in groups of \(mode.groupSize)")
      }
      return try MicroscaledTensor(
        name: module.name + ".weight", mode: mode, codes: try module.part("weight"), scales: try module.part("scales"))
    }
    guard mode == "affine", let bits = (own["bits"] ?? general["bits"])?.int, [2, 3, 4, 5, 6, 8].contains(bits),
      let groupSize = (own["group_size"] ?? general["group_size"])?.int, 1...(1 << 24) ~= groupSize
    else {
      throw Self.refuse("MLX matrices in the mode \(mode.printable), or of other than 2, 3, 4, 5, 6 or 8 bits, are not read")
    }
    return try GroupedRowsTensor(
      mlx: module.name + ".weight", bits: bits, groupSize: groupSize, codes: try module.part("weight"),
      scales: try module.part("scales"), biases: try module.part("biases"))
  }
}

/// The parts of one matrix.
private struct ForeignModule {
  let name: String
  let tensors: OrderedDictionary<String, any TensorReader>

  func has(_ part: String) -> Bool { tensors[name + "." + part] != nil }

  func optionalPart(_ part: String) throws(LMToolError) -> PlainTensor? {
    guard let tensor = tensors[name + "." + part] else { return nil }
    guard let plain = tensor as? PlainTensor else {
      throw LMToolError(
        .badInput, "a part of a quantized matrix does not lie in one piece", at: .tensor(tensor.name), rule: "QUANT-2")
    }
    return plain
  }

  func part(_ part: String) throws(LMToolError) -> PlainTensor {
    guard let tensor = try optionalPart(part) else {
      throw LMToolError(
        .missingInput, "the quantized matrix needs it, but the file does not have it", at: .tensor(name + "." + part),
        rule: "QUANT-2")
    }
    return tensor
  }

  /// The inputs that `weight_shape` of compressed-tensors says.
  func inputs() throws(LMToolError) -> Int {
    let shape = try part("weight_shape")
    guard shape.shape == [2], shape.dtype == .i64 || shape.dtype == .i32 else {
      throw shape.refuse("it is \(shape.dtype.rawValue) of the shape \(shape.shape), not the two numbers of a shape", rule: 2)
    }
    let floats = try shape.floats(0..<2)
    return 1...Float(1 << 24) ~= floats[1] ? Int(floats[1]) : 0
  }
}
