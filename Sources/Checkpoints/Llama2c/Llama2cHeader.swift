import Tensors

/// The dimensions of a llama2.c model.
public struct Llama2cDimensions: Sendable, Equatable {
  /// Width of the residual stream.
  public let dim: Int
  /// Width of the feed-forward layer.
  public let hiddenDim: Int
  /// Number of layers.
  public let layers: Int
  /// Number of query heads.
  public let heads: Int
  /// Number of key-value heads.
  public let kvHeads: Int
  /// Number of tokens in the vocabulary.
  public let vocabularySize: Int
  /// The longest sequence the model was trained on.
  public let maximumSequenceLength: Int

  /// Width of a head.
  public var headSize: Int { dim / heads }
  /// Width of the keys and values.
  public var kvDim: Int { headSize * kvHeads }
}

/// The header of a llama2.c file. Rules LLAMA2C-1 to 3, 5 and 6 of `formats/llama2c.md`.
struct Llama2cHeader {
  /// "ak42", as the integer that the file begins with from version 1 on.
  static let magic: UInt32 = 0x616B_3432
  /// The most layers that are accepted.
  static let maximumLayers = 4096

  let version: Int
  let dimensions: Llama2cDimensions
  let isTied: Bool
  /// Elements for each scale, in version 2.
  let groupSize: Int?
  /// Bytes before the data.
  let size: Int

  init(_ file: MappedFile) throws(LMToolError) {
    var reader = ByteReader(file, rule: "LLAMA2C-1")
    version = Self.hasMagic(file) ? try Self.readVersion(&reader) : 0
    let (dimensions, isVocabularyNegative) = try Self.readDimensions(&reader)
    self.dimensions = dimensions
    isTied = version == 0 ? !isVocabularyNegative : try Self.readTied(&reader)
    groupSize = version == 2 ? try Self.readGroupSize(&reader) : nil
    size = version == 0 ? reader.offset : 256
    guard file.count >= size, version == 0 || !isVocabularyNegative else {
      throw Self.broken(1, "the header is truncated or has a negative vocabulary size", file, at: 0)
    }
  }

  static func hasMagic(_ file: MappedFile) -> Bool {
    file.count >= 4 && file.withBytes(0..<4) { UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self)) } == magic
  }

  private static func readVersion(_ reader: inout ByteReader) throws(LMToolError) -> Int {
    _ = try reader.integer(UInt32.self, "the magic")
    let version = try reader.integer(Int32.self, "the version")
    guard version == 1 || version == 2 else {
      throw broken(1, "version \(version) is not supported; versions 0, 1 and 2 are", reader.file, at: 4)
    }
    return Int(version)
  }

  private static func readDimensions(_ reader: inout ByteReader) throws(LMToolError) -> (Llama2cDimensions, Bool) {
    let start = reader.offset
    var numbers: [Int] = []
    for _ in 0..<7 { numbers.append(Int(try reader.integer(Int32.self, "the dimensions"))) }
    let isVocabularyNegative = numbers[5] < 0
    numbers[5] = abs(numbers[5])
    guard numbers.allSatisfy({ $0 > 0 }), numbers[2] <= maximumLayers else {
      throw broken(
        2, "the dimensions \(numbers) are not positive, or the layers more than \(maximumLayers)", reader.file, at: start)
    }
    let dimensions = Llama2cDimensions(
      dim: numbers[0], hiddenDim: numbers[1], layers: numbers[2], heads: numbers[3], kvHeads: numbers[4],
      vocabularySize: numbers[5], maximumSequenceLength: numbers[6])
    guard dimensions.dim % dimensions.heads == 0, dimensions.headSize % 2 == 0, dimensions.heads % dimensions.kvHeads == 0 else {
      throw broken(
        3, "\(numbers[3]) heads of \(numbers[0]) elements and \(numbers[4]) key-value heads do not go together", reader.file,
        at: start)
    }
    return (dimensions, isVocabularyNegative)
  }

  private static func readTied(_ reader: inout ByteReader) throws(LMToolError) -> Bool {
    let start = reader.offset
    let byte = try reader.integer(UInt8.self, "the tied flag")
    guard byte <= 1 else { throw broken(6, "the tied flag is \(byte), but must be 0 or 1", reader.file, at: start) }
    return byte == 1
  }

  private static func readGroupSize(_ reader: inout ByteReader) throws(LMToolError) -> Int {
    let start = reader.offset
    let size = try reader.integer(Int32.self, "the group size")
    guard size > 0 else { throw broken(5, "the group size is \(size)", reader.file, at: start) }
    return Int(size)
  }

  private static func broken(_ rule: Int, _ message: String, _ file: MappedFile, at offset: Int) -> LMToolError {
    LMToolError(.badInput, message, file: file.path, at: .offset(offset), rule: "LLAMA2C-\(rule)")
  }
}
