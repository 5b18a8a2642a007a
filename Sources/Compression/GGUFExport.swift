import Checkpoints
import Models
import OrderedCollections
import Quantization
import Tensors
import Tokenizers

extension Exporting {
  /// Writes a GGUF file that llama.cpp loads: grids as Q8_0, Q4_0 and Q4_1 without loss, floats as f16, bf16 or f32.
  ///
  /// A grid whose rows are no multiple of 32, and 8 bits with minimum, have no equal there and become f16.
  ///
  /// - Parameter blocks: a type that float matrices are quantized to, where their rows are whole blocks of it.
  /// - Returns: what llama.cpp will do otherwise than lmtool, a sentence each.
  /// - Throws: `usage` when the model has no tokenizer, which llama.cpp cannot do without; `badInput` for weights that are not
  ///   finite (MODEL-5).
  public static func gguf(
    _ source: ModelSource, to path: String, matrixType: DType? = nil, blocks: GGUFBlocks? = nil,
    progress: ProgressConsumer? = nil
  ) throws(LMToolError) -> [String] {
    try OutputPath.check(path, against: source)
    let mapping = try Architectures.mapping(of: Configuration(source.config, file: source.path))
    let tensors = try GGUFExportTensor.all(of: source, mapping: mapping, matrixType: matrixType, blocks: blocks)
    let factors = mapping.factors(of: source.spec)
    let entries = factors.map { GGUFTensorEntry(name: $0.name, shape: [$0.values.count], type: .f32) } + tensors.map(\.entry)
    let shapes = Dictionary(uniqueKeysWithValues: entries.map { ($0.name, $0.shape) })
    let described = GGUFModel(
      name: mapping.traits.name, metadata: mapping.metadata(of: source.spec), shapes: shapes, factors: factors)
    try mapping.check(source.spec, against: described, path: source.path)
    let metadata = try metadata(of: source, mapping: mapping, types: tensors.map(\.type))
    let writer = try GGUFWriter(path: path, metadata: metadata, tensors: entries)
    for factor in factors {
      try factor.values.withFloats { (floats) throws(LMToolError) in try writer.write(floats: floats) }
    }
    for (index, tensor) in tensors.enumerated() {
      do throws(LMToolError) { try tensor.write(to: writer) } catch { throw error.within(file: source.path) }
      progress?(ProgressUpdate(stage: "export", done: index + 1, total: tensors.count, unit: .tensors))
    }
    try writer.finish()
    return differences(of: source, mapping.traits)
  }

  /// What the format or llama.cpp cannot express.
  private static func differences(of source: ModelSource, _ traits: GGUFTraits) -> [String] {
    var notes: [String] = []
    if let window = source.spec.narrowestWindow, window < source.spec.contextLength {
      switch traits.windows {
      case .computed: break
      case .ignored:
        notes.append("llama.cpp takes no notice of the sliding window of \(window) tokens: longer texts are computed otherwise")
      case .cut:
        notes.append(
          "the file's context is cut to the sliding window of \(window) tokens, since llama.cpp has none for this family")
      }
    }
    if source.spec.layers[0].mlp.activation == .gelu { notes.append("llama.cpp computes GELU by its approximation") }
    if case .sentencePiece(let rules)? = source.tokenizer?.model, rules.removesExtraSpaces, !rules.isUnigram {
      notes.append("the tokenizer drops extra spaces, llama.cpp keeps them")
    }
    if case .sentencePiece(let rules)? = source.tokenizer?.model, rules.isUnigram, rules.byteFallback {
      notes.append("the tokenizer spells what it has no piece for in bytes, llama.cpp takes the unknown token")
    }
    if source.tokenizer?.lacksGGUFPreTokenizer ?? false {
      notes.append("llama.cpp has no name for how the tokenizer cuts words; the file says \"default\", and tokens may differ")
    }
    return notes
  }

  private static func metadata(
    of source: ModelSource, mapping: any GGUFMapping, types: [GGMLType]
  ) throws(LMToolError) -> OrderedDictionary<String, GGUFValue> {
    var metadata: OrderedDictionary<String, GGUFValue> = [
      "general.architecture": .string(mapping.traits.name), "general.quantization_version": .uint32(2),
      "general.file_type": .uint32(fileType(types)),
    ]
    for (key, value) in mapping.metadata(of: source.spec) { metadata[key] = value }
    guard let tokenizer = source.tokenizer else {
      throw LMToolError(.usage, "llama.cpp cannot load a model without tokenizer; name one with --tokenizer", file: source.path)
    }
    let fields = try tokenizer.ggufFields()
    func set(_ key: String, _ value: GGUFValue?) { if let value { metadata["tokenizer.ggml." + key] = value } }
    func id(_ id: Int32?) -> GGUFValue? { id.flatMap { UInt32(exactly: $0) }.map { .uint32($0) } }
    set("model", .string(fields.model))
    set("pre", .string(fields.pre ?? "default"))
    set("tokens", .array(.string(fields.tokens)))
    set("scores", fields.scores.map { .array(.float32($0)) })
    set("token_type", fields.types.map { .array(.int32($0)) })
    set("precompiled_charsmap", fields.characterMap.map { .array(.uint8($0)) })
    set("merges", fields.merges.map { .array(.string($0)) })
    // Without these keys, llama.cpp takes the ids of GPT-2 or of LLaMA.
    set("bos_token_id", id(fields.bos ?? source.config["bos_token_id"]?.int.flatMap { Int32(exactly: $0) }))
    set("eos_token_id", id(fields.eos ?? source.endTokens.min()))
    set("eot_token_id", id(fields.endOfTurn))
    set("unknown_token_id", id(fields.unknown))
    set("padding_token_id", id(fields.padding))
    set("add_bos_token", fields.addsBOS.map { .bool($0) })
    set("add_eos_token", fields.addsEOS.map { .bool($0) })
    set("remove_extra_whitespaces", fields.removesExtraSpaces.map { .bool($0) })
    set("add_space_prefix", fields.addsSpacePrefix.map { .bool($0) })
    if let template = source.chatTemplate { metadata["tokenizer.chat_template"] = .string(template) }
    return metadata
  }

  /// `general.file_type` of llama.cpp: the type of most matrices.
  private static func fileType(_ types: [GGMLType]) -> UInt32 {
    let numbers: [GGMLType: UInt32] = [.f32: 0, .f16: 1, .q4_0: 2, .q4_1: 3, .q8_0: 7, .q4_K: 15, .q6_K: 18, .bf16: 32]
    let counts = Dictionary(grouping: types.filter { $0 != .f32 }) { $0 }.mapValues(\.count)
    let most = counts.max { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }?.key ?? .f32
    return numbers[most] ?? 0
  }
}

extension Array where Element == Float {
  /// `withUnsafeBufferPointer` with a typed error.
  func withFloats(_ body: (UnsafeBufferPointer<Float>) throws(LMToolError) -> Void) throws(LMToolError) {
    var failure: LMToolError?
    withUnsafeBufferPointer { buffer in
      do throws(LMToolError) { try body(buffer) } catch { failure = error }
    }
    if let failure { throw failure }
  }
}
