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
    case .scaled: ["weight_scale_inv", "weight_scale"]
    }
  }

  /// All parts.
  private var parts: [String] {
    switch self {
    case .gptq, .awq: ["qweight", "qzeros", "scales", "g_idx"]
    case .mlx: ["weight", "scales", "biases"]
    case .packed: ["weight_packed", "weight_scale", "weight_shape", "weight_zero_point", "weight_g_idx"]
    case .scaled: ["weight", "weight_scale_inv", "weight_scale"]
    }
  }

  private static func isOfActivations(_ name: String) -> Bool {
    ["input_scale", "input_zero_point", "activation_scale", "output_scale", "k_scale", "v_scale", "q_scale"].contains {
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
      let scales = module.has("weight_scale_inv") ? "weight_scale_inv" : "weight_scale"
      return try ScaledTensor(
        name: name, codes: try module.part("weight"), scales: try module.part(scales), blockSize: blockSize)
    }
  }

  /// MLX: numbers may differ from matrix to matrix. Rule QUANT-5.
  private func mlx(_ module: ForeignModule, _ config: JSONValue) throws(LMToolError) -> (any MatrixRows)? {
    guard let general = config["quantization"] ?? config["quantization_config"] else { return nil }
    let own = general[module.name] ?? general
    let mode = (own["mode"] ?? general["mode"])?.string ?? "affine"
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
