import OrderedCollections
import Tensors

/// An open safetensors file. Opening reads the header only; tensors are read in pieces.
///
/// The rules are those of `formats/safetensors.md`.
public struct SafetensorsFile: Sendable {
  /// The largest header that is accepted, as in the reference implementation.
  public static let maximumHeaderSize = 100_000_000

  /// The file.
  public let file: MappedFile
  /// The strings of `__metadata__`.
  public let metadata: [String: String]
  /// The tensors in the order of their offsets.
  public let tensors: OrderedDictionary<String, PlainTensor>

  /// Opens and checks the file at `path`.
  ///
  /// - Throws: `missingInput`, or `badInput` with the rule that the file breaks.
  public init(path: String) throws(LMToolError) {
    try self.init(file: try MappedFile(path: path))
  }

  /// Checks a file that is mapped already.
  init(file: MappedFile) throws(LMToolError) {
    let range = try Self.headerRange(of: file)
    let header = try SafetensorsHeader(file, in: range)
    let layout = Layout(file: file, start: range.upperBound)
    var tensors: [PlainTensor] = []
    for (name, entry) in header.entries { tensors.append(try layout.tensor(name, entry)) }
    tensors.sort {
      ($0.range.lowerBound, $0.range.upperBound, $0.name) < ($1.range.lowerBound, $1.range.upperBound, $1.name)
    }
    try layout.checkCoverage(of: tensors)
    self.file = file
    metadata = header.metadata
    self.tensors = OrderedDictionary(uniqueKeys: tensors.map(\.name), values: tensors)
  }

  private static func headerRange(of file: MappedFile) throws(LMToolError) -> Range<Int> {
    var reader = ByteReader(file, rule: "SAFETENSORS-1")
    let length = try reader.integer(UInt64.self, "the header length")
    guard length >= 2, length <= UInt64(maximumHeaderSize), length <= UInt64(reader.remaining) else {
      throw LMToolError(
        .badInput,
        "the header length is \(length), but it must be 2 to \(maximumHeaderSize) and at most the \(reader.remaining) bytes "
          + "that are left; the file is truncated or no safetensors file",
        file: file.path, at: .offset(0), rule: "SAFETENSORS-1")
    }
    return try reader.take(Int(length), "the header")
  }
}

/// Where the data buffer of a file is, and the checks of header entries against it.
private struct Layout {
  let file: MappedFile
  /// The first byte of the data buffer.
  let start: Int

  func tensor(_ name: String, _ entry: SafetensorsHeader.Entry) throws(LMToolError) -> PlainTensor {
    guard let type = entry.dtype, let shape = entry.shape, let offsets = entry.dataOffsets else {
      throw broken(3, "dtype, shape or data_offsets are missing", name)
    }
    guard let dtype = DType(rawValue: type) else {
      throw broken(4, "elements of type \(type.printable) are not supported yet", name)
    }
    guard let count = elementCount(shape), !count.multipliedReportingOverflow(by: dtype.size).overflow else {
      throw broken(5, "the shape \(shape) is negative or too large", name)
    }
    let available = file.count - start
    guard offsets.count == 2, offsets[0] >= 0, offsets[0] <= offsets[1], offsets[1] <= available else {
      throw broken(6, "data_offsets \(offsets) lie outside the \(available) data bytes of the file", name)
    }
    guard offsets[1] - offsets[0] == count * dtype.size else {
      throw broken(
        6, "data_offsets span \(offsets[1] - offsets[0]) bytes, but its shape and type need \(count * dtype.size)", name)
    }
    return PlainTensor(
      name: name, shape: shape, dtype: dtype, file: file, range: (start + offsets[0])..<(start + offsets[1]))
  }

  /// Checks SAFETENSORS-8 of tensors in the order of their offsets.
  func checkCoverage(of tensors: [PlainTensor]) throws(LMToolError) {
    var end = start
    for tensor in tensors {
      guard tensor.range.lowerBound == end else {
        let what = tensor.range.lowerBound < end ? "overlaps the one before it" : "leaves a hole before it"
        throw broken(8, "its data \(what)", tensor.name)
      }
      end = tensor.range.upperBound
    }
    guard end == file.count else {
      throw LMToolError(
        .badInput, "\(file.count - end) bytes at the end belong to no tensor", file: file.path, at: .offset(end),
        rule: "SAFETENSORS-8")
    }
  }

  private func broken(_ rule: Int, _ message: String, _ tensor: String) -> LMToolError {
    LMToolError(.badInput, message, file: file.path, at: .tensor(tensor), rule: "SAFETENSORS-\(rule)")
  }
}
