import OrderedCollections
import Tensors

/// A tensor info as it is written in the file, before it is checked against the data.
struct GGUFTensorInfo {
  let name: String
  /// Dimensions, outermost first.
  let shape: [Int]
  let type: GGMLType
  /// From the start of the data.
  let offset: UInt64

  /// Reads one. Rules GGUF-8, GGUF-9 and GGUF-10.
  init(_ reader: inout ByteReader) throws(LMToolError) {
    let file = reader.file.path
    let start = reader.offset
    let name = try reader.ggufText("a tensor name", limit: 64, rule: "GGUF-8")
    guard !name.isEmpty else {
      throw LMToolError(.badInput, "a tensor has no name", file: file, at: .offset(start), rule: "GGUF-8")
    }
    let dimensions = try reader.integer(UInt32.self, "the number of dimensions")
    guard dimensions <= 4 else {
      throw LMToolError(.badInput, "it has \(dimensions) dimensions, more than 4", file: file, at: .tensor(name), rule: "GGUF-9")
    }
    var shape: [Int] = []
    for _ in 0..<dimensions { shape.insert(Int(clamping: try reader.integer(UInt64.self, "a dimension")), at: 0) }
    let number = try reader.integer(UInt32.self, "the tensor type")
    guard let type = GGMLType(rawValue: number) else {
      throw LMToolError(
        .badInput, "its type \(number) is unknown or was removed from the format", file: file, at: .tensor(name), rule: "GGUF-10")
    }
    self.name = name
    self.shape = shape
    self.type = type
    offset = try reader.integer(UInt64.self, "the tensor offset")
  }
}

/// Where the data of a file is, and the checks of tensor infos against it.
struct GGUFLayout {
  let file: MappedFile
  let alignment: Int
  /// The first byte of the data, which may lie past the end of a file without tensors.
  let dataStart: Int

  /// The checked tensors in the order of their infos.
  func tensors(_ infos: [GGUFTensorInfo]) throws(LMToolError) -> OrderedDictionary<String, GGUFTensor> {
    var tensors: OrderedDictionary<String, GGUFTensor> = [:]
    tensors.reserveCapacity(infos.count)
    for info in infos {
      guard tensors.updateValue(try tensor(info), forKey: info.name) == nil else {
        throw broken(8, "the name occurs twice", info.name)
      }
    }
    try checkOverlaps(Array(tensors.values))
    return tensors
  }

  private func tensor(_ info: GGUFTensorInfo) throws(LMToolError) -> GGUFTensor {
    guard elementCount(info.shape) != nil else { throw broken(9, "the shape \(info.shape) is too large", info.name) }
    guard (info.shape.last ?? 1) % info.type.blockSize == 0 else {
      throw broken(
        10, "its rows of \(info.shape.last ?? 1) elements are no multiple of the \(info.type.blockSize) of \(info.type.name)",
        info.name)
    }
    guard let size = info.type.byteCount(info.shape) else {
      throw broken(9, "the shape \(info.shape) is too large", info.name)
    }
    let available = max(file.count - dataStart, 0)
    guard info.offset % UInt64(alignment) == 0 else {
      throw broken(11, "its offset \(info.offset) is no multiple of the alignment \(alignment)", info.name)
    }
    guard info.offset <= UInt64(available), size <= available - Int(info.offset) else {
      throw broken(
        11, "its \(size) bytes at \(info.offset) lie outside the \(available) data bytes; the file is truncated or damaged",
        info.name)
    }
    let start = size == 0 ? 0 : dataStart + Int(info.offset)
    return GGUFTensor(name: info.name, shape: info.shape, type: info.type, file: file, range: start..<(start + size))
  }

  private func checkOverlaps(_ tensors: [GGUFTensor]) throws(LMToolError) {
    var end = 0
    for tensor in tensors.filter({ !$0.range.isEmpty }).sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
      guard tensor.range.lowerBound >= end else {
        throw broken(12, "its data overlaps that of another tensor", tensor.name)
      }
      end = tensor.range.upperBound
    }
  }

  private func broken(_ rule: Int, _ message: String, _ tensor: String) -> LMToolError {
    LMToolError(.badInput, message, file: file.path, at: .tensor(tensor), rule: "GGUF-\(rule)")
  }
}
