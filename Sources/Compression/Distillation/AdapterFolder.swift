import Checkpoints
import Models
import OrderedCollections
import Tensors
import Training

/// What was trained of low rank, as PEFT saves it (formats/lora.md, LORA-12).
enum AdapterFolder {
  /// One tensor of a checkpoint, and the changes of what lies in it.
  private struct Module {
    /// "model.layers.0.self_attn.q_proj".
    let name: String
    let outputs: Int
    let inputs: Int
    var parts: [(pair: LowRank, slice: TensorSlice)] = []

    var rank: Int { parts.reduce(0) { $0 + $1.pair.rank } }
    /// What follows the number of the layer: "self_attn.q_proj".
    var kind: String {
      let words = name.split(separator: ".")
      let number = words.lastIndex { $0.allSatisfy(\.isNumber) } ?? -1
      return words[(number + 1)...].joined(separator: ".")
    }
  }

  /// Writes `adapter_config.json` and `adapter_model.safetensors` into the new folder `folder`.
  ///
  /// - Throws: `usage` when nothing of low rank was trained; `cannotCreate`.
  static func write(_ model: TrainedModel, of source: ModelSource, alpha: Float, rank: Int, to folder: String) throws(LMToolError)
  {
    let modules = try modules(of: model, source)
    guard !modules.isEmpty else { throw LMToolError(.usage, "an adapter is what --lora-rank trains; there is none") }
    let output = try OutputFolder(path: folder)
    let entries = modules.flatMap { module in
      [
        SafetensorsEntry(name: name(module, "A"), dtype: .f32, shape: [module.rank, module.inputs]),
        SafetensorsEntry(name: name(module, "B"), dtype: .f32, shape: [module.outputs, module.rank]),
      ]
    }
    let writer = try SafetensorsWriter(
      path: output.path(of: "adapter_model.safetensors"), entries: entries, metadata: ["format": "pt"])
    for module in modules {
      try write(module.parts.flatMap { $0.pair.down.values.array }, writer)
      try write(up(module), writer)
    }
    try writer.finish()
    let config = try OutputFile(path: output.path(of: "adapter_config.json"))
    try config.write(try encodeJSON(configuration(modules, source, alpha: alpha, rank: rank), pretty: true))
    try config.commit()
    try output.commit()
  }

  private static func name(_ module: Module, _ part: String) -> String { "base_model.model.\(module.name).lora_\(part).weight" }

  private static func write(_ floats: [Float], _ writer: SafetensorsWriter) throws(LMToolError) {
    var failure: LMToolError?
    floats.withUnsafeBufferPointer { floats in
      do throws(LMToolError) { try writer.write(floats: floats) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  private static func modules(of model: TrainedModel, _ source: ModelSource) throws(LMToolError) -> [Module] {
    var modules: OrderedDictionary<String, Module> = [:]
    for spec in source.spec.tensors {
      guard case .lowRank(let pair)? = model.tensor(spec)?.training else { continue }
      guard spec.slices.count == 1, let slice = spec.slices.first, slice.name.hasSuffix(".weight") else {
        throw LMToolError(
          .badInput, "its rows are of several tensors of a checkpoint, for which PEFT has no form; leave --adapter-out out",
          file: source.path, at: .tensor(spec.name))
      }
      let shape = slice.isTransposed ? slice.shape.reversed() : slice.shape
      let module = Module(name: String(slice.name.dropLast(7)), outputs: shape[0], inputs: shape[1])
      modules[slice.name, default: module].parts.append((pair, slice))
    }
    return Array(modules.values)
  }

  /// B: the rows of each part where the module has them, in columns of the part's own.
  private static func up(_ module: Module) -> [Float] {
    var result = [Float](repeating: 0, count: module.outputs * module.rank), column = 0
    for (pair, slice) in module.parts {
      let values = pair.up.values.array
      for row in 0..<slice.rows {
        let start = slice.storedRow(row) * module.rank + column
        result.replaceSubrange(start..<start + pair.rank, with: values[row * pair.rank..<(row + 1) * pair.rank])
      }
      column += pair.rank
    }
    return result
  }

  private static func configuration(_ modules: [Module], _ source: ModelSource, alpha: Float, rank: Int) -> JSONValue {
    let kinds = Set(modules.map(\.kind)).sorted()
    let fused = Dictionary(modules.filter { $0.parts.count > 1 }.map { ($0.kind, $0.parts.count) }) { first, _ in first }
    return .object([
      "peft_type": .string("LORA"), "task_type": .string("CAUSAL_LM"), "base_model_name_or_path": .string(source.path),
      "r": .int(rank), "lora_alpha": .double(Double(alpha)), "lora_dropout": .double(0), "bias": .string("none"),
      "target_modules": .array(kinds.map { .string($0) }), "inference_mode": .bool(true),
      "fan_in_fan_out": .bool(modules.contains { $0.parts.contains { $0.slice.isTransposed } }),
      "rank_pattern": .object(fused.mapValues { .int($0 * rank) }),
      "alpha_pattern": .object(fused.mapValues { .double(Double($0) * Double(alpha)) }),
    ])
  }
}

extension Distilling {
  /// Writes what was trained of low rank as an adapter of `source`.
  ///
  /// - Throws: `usage` when nothing of low rank was trained; `cannotCreate`.
  public func writeAdapter(of source: ModelSource, to folder: String) throws(LMToolError) {
    guard case .lowRank(let rank, let alpha, _) = options.plan else {
      throw LMToolError(.usage, "an adapter is what --lora-rank trains; there is none")
    }
    try OutputPath.check(folder, against: source)
    try AdapterFolder.write(student, of: source, alpha: alpha, rank: rank, to: folder)
  }
}
