import OrderedCollections
import Tensors

/// An open LLaMA file of llama.cpp from before GGUF. Opening reads headers; tensors are read in pieces.
///
/// The rules are those of `formats/ggml.md`. Names and the rows of wq and wk are Meta's.
public struct LegacyGGMLFile: Checkpoint {
  /// The file.
  public let file: MappedFile
  /// The version of the format.
  public let version: LegacyGGMLVersion
  /// The parameters of the model.
  public let parameters: LegacyGGMLParameters
  /// The tokens, by their ids.
  public let vocabulary: [LegacyGGMLToken]
  /// The tensors in the order of the file.
  public let readers: OrderedDictionary<String, any TensorReader>

  /// The one file.
  public var files: [MappedFile] { [file] }

  /// Opens and checks the file at `path`.
  ///
  /// - Throws: `missingInput`, or `badInput` with the rule that the file breaks.
  public init(path: String) throws(LMToolError) {
    let file = try MappedFile(path: path)
    guard !exists(path + ".1") else {
      throw LMToolError(
        .badInput, "the model goes on in \(path).1; models in several files are not read", file: path, rule: "GGML-5")
    }
    var reader = ByteReader(file, rule: "GGML-2")
    let header = try LegacyGGMLHeader(&reader)
    var readers: OrderedDictionary<String, any TensorReader> = [:]
    while reader.remaining > 0 {
      let tensor = try Self.tensor(&reader, header.version)
      guard readers.updateValue(tensor, forKey: tensor.name) == nil else {
        throw Self.broken(3, "the name occurs twice", file, tensor.name)
      }
    }
    self.file = file
    version = header.version
    parameters = header.parameters
    vocabulary = header.vocabulary
    self.readers = readers
  }

  /// Rules GGML-3 and GGML-4.
  private static func tensor(
    _ reader: inout ByteReader, _ version: LegacyGGMLVersion
  ) throws(LMToolError) -> any TensorReader {
    let file = reader.file, start = reader.offset
    let dimensions = try reader.integer(UInt32.self, "a tensor"), length = try reader.integer(UInt32.self, "a tensor")
    let type = try reader.integer(UInt32.self, "a tensor")
    guard 1...2 ~= dimensions, 1...256 ~= length else {
      throw LMToolError(
        .badInput, "a tensor has \(dimensions) dimensions and a name of \(length) bytes", file: file.path, at: .offset(start),
        rule: "GGML-3")
    }
    var shape: [Int] = []
    for _ in 0..<dimensions { shape.insert(Int(try reader.integer(UInt32.self, "a dimension")), at: 0) }
    guard let name = String(validating: try reader.bytes(Int(length), "a name"), as: UTF8.self) else {
      throw LMToolError(.badInput, "a name is not UTF-8", file: file.path, at: .offset(start), rule: "GGML-3")
    }
    if version.isAligned { _ = try reader.take((32 - reader.offset % 32) % 32, "the padding") }
    return try version == .ggjt3
      ? current(&reader, name, shape, type) : legacy(&reader, name, shape, type, pairsNeighbours: version.pairsNeighbours)
  }

  private static func current(
    _ reader: inout ByteReader, _ name: String, _ shape: [Int], _ number: UInt32
  ) throws(LMToolError) -> any TensorReader {
    guard number <= GGMLType.q8_K.rawValue, let type = GGMLType(rawValue: number) else {
      throw unknown(number, reader.file, name)
    }
    guard let size = type.byteCount(shape) else { throw broken(4, "the shape \(shape) is none of blocks", reader.file, name) }
    let range = try reader.take(size, "the elements of \(name.printable)")
    return GGUFTensor(name: name, shape: shape, type: type, file: reader.file, range: range)
  }

  private static func legacy(
    _ reader: inout ByteReader, _ name: String, _ shape: [Int], _ number: UInt32, pairsNeighbours: Bool
  ) throws(LMToolError) -> any TensorReader {
    let what = "the elements of \(name.printable)"
    if let dtype: DType = number == 0 ? .f32 : number == 1 ? .f16 : nil {
      guard let count = elementCount(shape), case (let size, false) = count.multipliedReportingOverflow(by: dtype.size) else {
        throw broken(4, "the shape \(shape) is too large", reader.file, name)
      }
      return PlainTensor(name: name, shape: shape, dtype: dtype, file: reader.file, range: try reader.take(size, what))
    }
    guard let block = LegacyGGMLBlock(rawValue: number) else { throw unknown(number, reader.file, name) }
    guard let count = elementCount(shape), (shape.last ?? 0) % LegacyGGMLBlock.elements == 0,
      case (let size, false) = (count / LegacyGGMLBlock.elements).multipliedReportingOverflow(by: block.bytes)
    else { throw broken(4, "the shape \(shape) is none of blocks", reader.file, name) }
    return LegacyGGMLTensor(
      name: name, shape: shape, block: block, pairsNeighbours: pairsNeighbours, file: reader.file,
      range: try reader.take(size, what))
  }

  private static func unknown(_ number: UInt32, _ file: MappedFile, _ name: String) -> LMToolError {
    let what = number == 4 ? "Q4_2, which was removed" : number == 5 ? "Q4_3, which was removed" : "unknown in this version"
    return broken(3, "its type \(number) is \(what)", file, name)
  }

  private static func broken(_ rule: Int, _ message: String, _ file: MappedFile, _ name: String) -> LMToolError {
    LMToolError(.badInput, message, file: file.path, at: .tensor(name), rule: "GGML-\(rule)")
  }
}
