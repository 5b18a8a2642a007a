import Tensors

/// The layouts of blocks, by the version of the file.
public enum LegacyGGMLVersion: String, Sendable {
  case ggml
  case ggmf
  case ggjt1 = "ggjt v1"
  case ggjt2 = "ggjt v2"
  case ggjt3 = "ggjt v3"

  /// Whether tokens have scores.
  var hasScores: Bool { self != .ggml }
  /// Whether the elements of tensors begin at multiples of 32.
  var isAligned: Bool { self != .ggml && self != .ggmf }
  /// Whether neighbouring elements share a byte of nibbles.
  var pairsNeighbours: Bool { self != .ggjt2 && self != .ggjt3 }
}

/// The parameters of a model.
public struct LegacyGGMLParameters: Sendable, Equatable {
  /// Tokens of the vocabulary.
  public let vocabularySize: Int
  /// Width of the residual stream.
  public let width: Int
  /// Query heads.
  public let heads: Int
  /// Layers.
  public let layers: Int
}

/// A token of the vocabulary.
public struct LegacyGGMLToken: Sendable, Equatable {
  /// Its text: spaces are spaces, bytes are themselves.
  public let bytes: [UInt8]
  /// Its score; nil in the first version.
  public let score: Float?
}

/// What comes before the tensors. Rules GGML-1 and GGML-2 of `formats/ggml.md`.
struct LegacyGGMLHeader {
  private static let magics: [UInt32: [UInt32: LegacyGGMLVersion]] = [
    0x6767_6D66: [1: .ggmf], 0x6767_6A74: [1: .ggjt1, 2: .ggjt2, 3: .ggjt3],
  ]
  private static let unversioned: UInt32 = 0x6767_6D6C

  let version: LegacyGGMLVersion
  let parameters: LegacyGGMLParameters
  let vocabulary: [LegacyGGMLToken]

  /// Whether a file begins with one of the magics.
  static func recognizes(_ file: MappedFile) -> Bool {
    var reader = ByteReader(file, rule: "GGML-1")
    guard let magic = try? reader.integer(UInt32.self, "the magic") else { return false }
    return magic == unversioned || magics[magic] != nil
  }

  init(_ reader: inout ByteReader) throws(LMToolError) {
    version = try Self.version(&reader)
    parameters = try Self.parameters(&reader)
    var vocabulary: [LegacyGGMLToken] = []
    for _ in 0..<parameters.vocabularySize {
      let length = try reader.integer(UInt32.self, "a token"), bytes = try reader.bytes(Int(length), "a token")
      vocabulary.append(LegacyGGMLToken(bytes: bytes, score: version.hasScores ? try reader.float("a score") : nil))
    }
    self.vocabulary = vocabulary
  }

  private static func version(_ reader: inout ByteReader) throws(LMToolError) -> LegacyGGMLVersion {
    let magic = try reader.integer(UInt32.self, "the magic")
    if magic == unversioned { return .ggml }
    let number = try reader.integer(UInt32.self, "the version")
    guard let version = magics[magic]?[number] else {
      throw LMToolError(
        .badInput, "the version \(number) is none that is known", file: reader.file.path, at: .offset(4), rule: "GGML-1")
    }
    return version
  }

  private static func parameters(_ reader: inout ByteReader) throws(LMToolError) -> LegacyGGMLParameters {
    let start = reader.offset
    var numbers: [Int] = []
    for _ in 0..<7 { numbers.append(Int(try reader.integer(Int32.self, "the parameters"))) }
    // A token takes at least four bytes, so that a count which the file cannot hold costs no memory.
    guard numbers[0..<5].allSatisfy({ $0 > 0 }), numbers[0] <= 1 << 24, numbers[4] <= 4096, numbers[0] <= reader.remaining / 4
    else {
      throw LMToolError(
        .badInput, "the parameters \(numbers) are not positive, too large, or more than the file can hold",
        file: reader.file.path,
        at: .offset(start), rule: "GGML-2")
    }
    return LegacyGGMLParameters(vocabularySize: numbers[0], width: numbers[1], heads: numbers[3], layers: numbers[4])
  }
}
