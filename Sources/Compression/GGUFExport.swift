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
  /// - Returns: what llama.cpp will do otherwise than lmtool, a sentence each.
  /// - Throws: `usage` when the model has no tokenizer, which llama.cpp cannot do without; `badInput` for weights that are not
  ///   finite (MODEL-5).
  public static func gguf(
    _ source: ModelSource, to path: String, matrixType: DType? = nil, progress: ProgressConsumer? = nil
  ) throws(LMToolError) -> [String] {
    try OutputPath.check(path, against: source)
    let family = try Architectures.named(modelType: source.config["model_type"]?.string ?? "", file: source.path)
    let tensors = try source.spec.tensors.map { (spec) throws(LMToolError) in
      try GGUFExportTensor(spec, source: source, family: family, matrixType: matrixType)
    }
    let divisors = source.spec.layers[0].attention.rotary.divisors(headSize: source.spec.layers[0].attention.headSize)
    let extra = divisors.map { [GGUFTensorEntry(name: "rope_freqs.weight", shape: [$0.count], type: .f32)] } ?? []
    let metadata = try metadata(of: source, family: family, types: tensors.map(\.type))
    let writer = try GGUFWriter(path: path, metadata: metadata, tensors: extra + tensors.map(\.entry))
    if let divisors {
      try divisors.withFloats { (floats) throws(LMToolError) in try writer.write(floats: floats) }
    }
    for (index, tensor) in tensors.enumerated() {
      do throws(LMToolError) { try tensor.write(to: writer) } catch { throw error.within(file: source.path) }
      progress?(ProgressUpdate(stage: "export", done: index + 1, total: tensors.count, unit: .tensors))
    }
    try writer.finish()
    return differences(of: source)
  }

  /// What the format or llama.cpp cannot express.
  private static func differences(of source: ModelSource) -> [String] {
    var notes: [String] = []
    if let window = source.spec.narrowestWindow, window < source.spec.contextLength {
      notes.append(
        "the file's context is cut to the sliding window of \(window) tokens, since llama.cpp has none for this family")
    }
    if case .sentencePiece(let rules)? = source.tokenizer?.model, rules.removesExtraSpaces {
      notes.append("the tokenizer drops extra spaces, llama.cpp keeps them")
    }
    if source.tokenizer?.lacksGGUFPreTokenizer ?? false {
      notes.append("llama.cpp has no name for how the tokenizer cuts words; the file says \"default\", and tokens may differ")
    }
    return notes
  }

  private static func metadata(
    of source: ModelSource, family: any Architecture, types: [GGMLType]
  ) throws(LMToolError) -> OrderedDictionary<String, GGUFValue> {
    var metadata: OrderedDictionary<String, GGUFValue> = [
      "general.architecture": .string(family.ggufName), "general.quantization_version": .uint32(2),
      "general.file_type": .uint32(fileType(types)),
    ]
    for (key, value) in family.ggufMetadata(of: source.spec) { metadata[key] = value }
    guard let tokenizer = source.tokenizer else {
      throw LMToolError(.usage, "llama.cpp cannot load a model without tokenizer; name one with --tokenizer", file: source.path)
    }
    let fields = try tokenizer.ggufFields()
    func set(_ key: String, _ value: GGUFValue?) { if let value { metadata["tokenizer.ggml." + key] = value } }
    func id(_ id: Int32?) -> GGUFValue? { id.map { .uint32(UInt32($0)) } }
    set("model", .string(fields.model))
    set("pre", .string(fields.pre ?? "default"))
    set("tokens", .array(.string(fields.tokens)))
    set("scores", fields.scores.map { .array(.float32($0)) })
    set("token_type", fields.types.map { .array(.int32($0)) })
    set("merges", fields.merges.map { .array(.string($0)) })
    set("bos_token_id", id(fields.bos))
    set("eos_token_id", id(fields.eos))
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
    let numbers: [GGMLType: UInt32] = [.f32: 0, .f16: 1, .q4_0: 2, .q4_1: 3, .q8_0: 7, .bf16: 32]
    let counts = Dictionary(grouping: types.filter { $0 != .f32 }) { $0 }.mapValues(\.count)
    let most = counts.max { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }?.key ?? .f32
    return numbers[most] ?? 0
  }
}

/// One tensor on its way into a GGUF file.
private struct GGUFExportTensor {
  let reader: any TensorReader
  let type: GGMLType
  let order: RowOrder?
  private let name: String

  init(_ spec: TensorSpec, source: ModelSource, family: any Architecture, matrixType: DType?) throws(LMToolError) {
    reader = try source.tensor(spec)
    name = spec.ggufName
    if let layer = spec.layer, spec.role.isRotated, family.ggufInterleavesRotary {
      order = .interleavedFromHalf(headSize: source.spec.layers[layer].attention.headSize)
    } else {
      order = nil
    }
    type = Self.type(of: reader, matrixType: matrixType)
  }

  var entry: GGUFTensorEntry { GGUFTensorEntry(name: name, shape: reader.shape, type: type) }

  private static func type(of tensor: any TensorReader, matrixType: DType?) -> GGMLType {
    guard tensor.shape.count == 2 else { return .f32 }
    if let scheme = (tensor as? any GridTensorReader)?.scheme, tensor.shape[1] % 32 == 0 {
      if scheme.bits == 4 { return scheme.hasMinimum ? .q4_1 : .q4_0 }
      if !scheme.hasMinimum { return .q8_0 }
    }
    switch matrixType ?? (tensor.storage == .plain(.bf16) ? .bf16 : tensor.storage == .plain(.f32) ? .f32 : .f16) {
    case .f32: return .f32
    case .bf16: return .bf16
    default: return .f16
    }
  }

  func write(to writer: GGUFWriter) throws(LMToolError) {
    switch type {
    case .q8_0, .q4_0, .q4_1:
      guard let grid = reader as? any GridTensorReader else { throw LMToolError(.bug, "blocks of a tensor without codes") }
      try GGMLRows(grid: try grid.readGrid(), type: type).write(order: order, to: writer)
    default:
      try writeFloats(to: writer)
    }
  }

  private func writeFloats(to writer: GGUFWriter) throws(LMToolError) {
    let rows = reader.shape.count == 2 ? reader.shape[0] : 1
    let columns = reader.count / max(1, rows)
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: columns)
    defer { buffer.deallocate() }
    for row in 0..<rows {
      let start = (order?.source(reader.shape.count == 2 ? row : 0) ?? row) * columns
      if reader.shape.count == 2 || order == nil {
        try reader.read(start..<start + columns, into: buffer)
      } else {
        try readReorderedBias(into: buffer)
      }
      try FloatPieces.check(
        UnsafeBufferPointer(buffer), from: start, of: reader, as: type == .f16 ? .f16 : .f32, path: nil,
        remedy: "choose --dtype bf16 or f32")
      try writer.write(floats: UnsafeBufferPointer(buffer))
    }
  }

  /// The bias of queries or keys, whose elements are reordered like the rows of the matrix.
  private func readReorderedBias(into buffer: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    let values = try reader.readAll()
    for index in values.indices { buffer[index] = values[order?.source(index) ?? index] }
  }
}

/// Rows of a grid as blocks of 32 in one of ggml's types; a scale of a longer group is repeated.
private struct GGMLRows {
  let grid: GridTensor
  let type: GGMLType

  func write(order: RowOrder?, to writer: GGUFWriter) throws(LMToolError) {
    for row in 0..<grid.layout.rows {
      try block(ofRow: order?.source(row) ?? row).withUnsafeBytesTyped { (bytes) throws(LMToolError) in
        try writer.write(raw: bytes)
      }
    }
  }

  private func block(ofRow row: Int) -> [UInt8] {
    let layout = grid.layout, blocks = layout.columns / 32
    let perBlock = (0..<blocks).map { row * layout.groupsPerRow + $0 * 32 / (grid.scheme.group ?? layout.columns) }
    let scales = perBlock.map { grid.scales[$0] }
    let minimums = grid.scheme.hasMinimum ? perBlock.map { grid.minimums[$0] } : []
    let signed = grid.scheme.hasMinimum ? [] : codes(ofRow: row).map { Int8(truncatingIfNeeded: $0) }
    let unsigned = grid.scheme.hasMinimum ? codes(ofRow: row).map { UInt8(truncatingIfNeeded: $0) } : []
    var bytes = [UInt8](repeating: 0, count: blocks * type.bytesPerBlock)
    bytes.withUnsafeMutableBytes { output in
      signed.withUnsafeBufferPointer { signed in
        unsigned.withUnsafeBufferPointer { unsigned in
          scales.withUnsafeBufferPointer { scales in
            minimums.withUnsafeBufferPointer { minimums in
              switch type {
              case .q8_0: GGMLPacking.q8_0(codes: signed, scales: scales, to: output)
              case .q4_0: GGMLPacking.q4_0(codes: signed, scales: scales, to: output)
              default: GGMLPacking.q4_1(codes: unsigned, scales: scales, minimums: minimums, to: output)
              }
            }
          }
        }
      }
    }
    return bytes
  }

  /// The codes of a row as the numbers they stand for.
  private func codes(ofRow row: Int) -> [Int] {
    let layout = grid.layout, start = row * layout.bytesPerRow
    return (0..<layout.columns).map { column in
      if grid.scheme.bits == 8 {
        let byte = grid.codes[start + column]
        return grid.scheme.hasMinimum ? Int(byte) : Int(Int8(bitPattern: byte))
      }
      let byte = grid.codes[start + column / 2]
      return Int(column % 2 == 0 ? byte & 15 : byte >> 4) + grid.scheme.lowest
    }
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
