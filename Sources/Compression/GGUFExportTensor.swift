import Checkpoints
import Kernels
import Models
import OrderedCollections
import Quantization
import Tensors

/// One tensor on its way into a GGUF file: rows of one or several tensors of the model.
struct GGUFExportTensor {
  let type: GGMLType
  private let parts: [(slice: TensorSlice, reader: any TensorReader)]

  /// Every tensor of a GGUF file, in the order of the first tensor of the model that it has.
  ///
  /// - Parameter blocks: what float matrices become, where rows are whole blocks of it.
  static func all(
    of source: ModelSource, mapping: any GGUFMapping, matrixType: DType?, blocks: GGUFBlocks?
  ) throws(LMToolError) -> [GGUFExportTensor] {
    var parts: OrderedDictionary<String, [(slice: TensorSlice, reader: any TensorReader)]> = [:]
    for spec in source.spec.tensors {
      let slice = mapping.slice(of: spec, in: source.spec, isFused: mapping.traits.fusesQueryKeyValue)
      parts[slice.name, default: []].append((slice, try source.tensor(spec)))
    }
    if source.spec.isTied, mapping.traits.tiedHead == .repeated {
      let name = TensorSpec(.head, shape: []).ggufName, embedding = source.spec.embedding
      parts[name] = [(TensorSlice(name, shape: embedding.shape), try source.tensor(embedding))]
    }
    return parts.values.map {
      GGUFExportTensor(type: type(of: $0.map(\.reader), $0[0].slice.name, matrixType: matrixType, blocks: blocks), parts: $0)
    }
  }

  var entry: GGUFTensorEntry { GGUFTensorEntry(name: parts[0].slice.name, shape: parts[0].slice.shape, type: type) }

  private static func type(
    of tensors: [any TensorReader], _ name: String, matrixType: DType?, blocks: GGUFBlocks?
  ) -> GGMLType {
    let first = tensors[0]
    guard first.shape.count == 2 else { return .f32 }
    let schemes = tensors.map { ($0 as? any GridTensorReader)?.scheme }
    if let scheme = schemes[0], schemes.allSatisfy({ $0 == scheme }), first.shape[1] % 32 == 0 {
      if scheme.bits == 4 { return scheme.hasMinimum ? .q4_1 : .q4_0 }
      if !scheme.hasMinimum { return .q8_0 }
    }
    if let blocks, let type = blocks.type(ofMatrix: name, columns: first.shape[1]) { return type }
    switch matrixType ?? (first.storage == .plain(.bf16) ? .bf16 : first.storage == .plain(.f32) ? .f32 : .f16) {
    case .f32: return .f32
    case .bf16: return .bf16
    default: return .f16
    }
  }

  func write(to writer: GGUFWriter) throws(LMToolError) {
    switch type {
    case .q8_0, .q4_0, .q4_1:
      let grids = try parts.map { (part) throws(LMToolError) -> GGMLRows in
        guard let grid = part.reader as? any GridTensorReader else { throw LMToolError(.bug, "blocks of a tensor without codes") }
        return GGMLRows(grid: try grid.readGrid(), type: type)
      }
      for stored in 0..<parts[0].slice.shape[0] {
        let (part, row) = try locate(stored)
        try grids[part].block(ofRow: row).withUnsafeBytesTyped { (bytes) throws(LMToolError) in try writer.write(raw: bytes) }
      }
    case .q4_K: try writeBlocks(.q4_K, to: writer)
    case .q6_K: try writeBlocks(.q6_K, to: writer)
    default: try forEachRow { (floats) throws(LMToolError) in try writer.write(floats: floats) }
    }
  }

  /// Encodes some rows at a time, on all threads.
  private func writeBlocks(_ encoder: GGMLEncoder, to writer: GGUFWriter) throws(LMToolError) {
    let columns = parts[0].slice.shape[1], rows = parts[0].slice.shape[0], together = max(1, (1 << 20) / columns)
    let blocks = columns / encoder.block.elements, rowBytes = blocks * encoder.block.bytes
    var floats: [Float] = [], done = 0
    try forEachRow { (row) throws(LMToolError) in
      floats += row
      done += 1
      guard floats.count == together * columns || done == rows else { return }
      let count = floats.count / columns
      var bytes = [UInt8](repeating: 0, count: count * rowBytes)
      bytes.withUnsafeMutableBytes { bytes in
        floats.withUnsafeBufferPointer { floats in
          nonisolated(unsafe) let output = bytes.baseAddress!, input = floats.baseAddress!
          ThreadPool.shared.forEach(count) { encoder.encode(input + $0 * columns, blocks: blocks, to: output + $0 * rowBytes) }
        }
      }
      try bytes.withUnsafeBytesTyped { (bytes) throws(LMToolError) in try writer.write(raw: bytes) }
      floats.removeAll(keepingCapacity: true)
    }
  }

  /// Which part has a stored row, and which of its rows it is.
  private func locate(_ stored: Int) throws(LMToolError) -> (part: Int, row: Int) {
    for (index, part) in parts.enumerated() {
      if let row = part.slice.row(stored: stored) { return (index, row) }
    }
    throw LMToolError(.bug, "no tensor has its row \(stored)", at: .tensor(parts[0].slice.name))
  }

  /// Calls `body` with every stored row as floats.
  private func forEachRow(_ body: (UnsafeBufferPointer<Float>) throws(LMToolError) -> Void) throws(LMToolError) {
    let columns = parts[0].reader.shape.dropFirst().reduce(1, *)
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: columns)
    defer { buffer.deallocate() }
    for stored in 0..<parts[0].slice.shape.reduce(1, *) / columns {
      let (index, row) = try locate(stored), part = parts[index]
      try part.reader.read(row * columns..<(row + 1) * columns, into: buffer)
      try FloatPieces.check(
        UnsafeBufferPointer(buffer), from: row * columns, of: part.reader, as: type == .f16 ? .f16 : .f32, path: nil,
        remedy: "choose --dtype bf16 or f32")
      if part.slice.addend != 0 { for element in buffer.indices { buffer[element] += part.slice.addend } }
      try body(UnsafeBufferPointer(buffer))
    }
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
/// What float matrices become in a GGUF file, by the names of llama.cpp.
public enum GGUFBlocks: String, Sendable, CaseIterable {
  /// 4.5 bits a weight; embedding and head as Q6_K.
  case q4_k
  /// 6.6 bits a weight.
  case q6_k

  /// The type of a matrix; nil where its rows are not whole blocks.
  func type(ofMatrix name: String, columns: Int) -> GGMLType? {
    guard columns % 256 == 0 else { return nil }
    let isOuter = [TensorRole.embedding, .head].contains { name == TensorSpec($0, shape: []).ggufName }
    return self == .q6_k || isOuter ? .q6_K : .q4_K
  }
}

/// Rows of a grid as blocks of 32 in one of ggml's types; a scale of a longer group is repeated.
private struct GGMLRows {
  let grid: GridTensor
  let type: GGMLType

  func block(ofRow row: Int) -> [UInt8] {
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
