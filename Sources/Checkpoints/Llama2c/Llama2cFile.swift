import OrderedCollections
import Tensors

/// An open llama2.c `.bin` file of version 0, 1 or 2. Opening reads the header; tensors are read in pieces.
///
/// The rules are those of `formats/llama2c.md`. The rows of wq and wk are in Meta's order, as in the file.
public struct Llama2cFile: Sendable {
  /// The file.
  public let file: MappedFile
  /// The version of the format: 0, 1 or 2.
  public let version: Int
  /// The dimensions of the model.
  public let dimensions: Llama2cDimensions
  /// Whether the output matrix is the embedding; otherwise there is `output.weight`.
  public let isTied: Bool
  /// Elements for each scale, in version 2.
  public let groupSize: Int?
  /// The tensors in the order of the file, named in Meta's manner.
  public let tensors: OrderedDictionary<String, any TensorReader>

  /// Opens and checks the file at `path`.
  ///
  /// - Throws: `missingInput`, or `badInput` with the rule that the file breaks.
  public init(path: String) throws(LMToolError) {
    try self.init(file: try MappedFile(path: path))
  }

  /// Checks a file that is mapped already.
  init(file: MappedFile) throws(LMToolError) {
    let header = try Llama2cHeader(file)
    var placement = Llama2cPlacement(file: file, groupSize: header.groupSize, offset: header.size)
    for section in Llama2cLayout(header: header).sections { try placement.place(section) }
    guard placement.offset == file.count else {
      throw placement.wrongSize("the header asks for \(placement.offset) bytes, but the file has \(file.count)")
    }
    self.file = file
    version = header.version
    dimensions = header.dimensions
    isTied = header.isTied
    groupSize = header.groupSize
    tensors = placement.tensors
  }
}

/// Gives every tensor its place in the file, one after the other.
private struct Llama2cPlacement {
  let file: MappedFile
  let groupSize: Int?
  /// The end of what has been placed.
  var offset: Int
  var tensors: OrderedDictionary<String, any TensorReader> = [:]

  /// Places a section. Rules LLAMA2C-4 and LLAMA2C-5; checks that it lies within the file before it makes any tensor.
  mutating func place(_ section: Llama2cSection) throws(LMToolError) {
    let scaleGroup = section.isMatrix ? groupSize : nil
    guard let count = elementCount(section.shape), let size = Self.size(count, scaleGroup: scaleGroup),
      case (let total, false) = size.multipliedReportingOverflow(by: max(section.names.count, 1)), total <= file.count - offset
    else {
      throw wrongSize("the dimensions ask for more than the \(file.count) bytes of the file")
    }
    if let scaleGroup, count % scaleGroup != 0 {
      throw LMToolError(
        .badInput, "the group size \(scaleGroup) does not divide its \(count) elements", file: file.path,
        at: .tensor(section.names.first ?? ""), rule: "LLAMA2C-5")
    }
    for (index, name) in section.names.enumerated() {
      let start = offset + index * size
      tensors[name] =
        if let scaleGroup {
          GroupedInt8Tensor(name: name, shape: section.shape, groupSize: scaleGroup, file: file, range: start..<(start + size))
        } else {
          PlainTensor(name: name, shape: section.shape, dtype: .f32, file: file, range: start..<(start + size))
        }
    }
    offset += total
  }

  func wrongSize(_ message: String) -> LMToolError {
    LMToolError(
      .badInput, "\(message); it is truncated or no llama2.c model", file: file.path, at: .offset(offset), rule: "LLAMA2C-4")
  }

  /// Bytes of `count` elements, or nil on overflow.
  private static func size(_ count: Int, scaleGroup: Int?) -> Int? {
    guard count <= Int.max / 8 else { return nil }
    return if let scaleGroup { count + count / scaleGroup * 4 } else { count * 4 }
  }
}
