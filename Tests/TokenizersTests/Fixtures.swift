import Tensors
import Testing
import Tokenizers

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The fixtures of this room, and files made on the spot.
enum Fixtures {
  static let folder: String = {
    let parts = #filePath.split(separator: "/").dropLast(3)
    return "/" + parts.joined(separator: "/") + "/fixtures/tokenizers/"
  }()

  struct Vector: Decodable {
    var text: String
    var gpt2: [Int32]
    var smollm: [Int32]
    var tok512: [Int32]
  }

  static func vectors() throws -> [Vector] {
    try decodeJSON([Vector].self, file: MappedFile(path: folder + "vectors.json"))
  }

  static func gpt2() throws -> TokenizerDefinition {
    try .read(vocabulary: folder + "gpt2-vocab.json", merges: folder + "gpt2-merges.txt")
  }

  static func smollm() throws -> TokenizerDefinition { try .read(tokenizerJSON: folder + "smollm-tokenizer.json") }
  static func tok512() throws -> TokenizerDefinition { try .read(sentencePiece: folder + "tok512.model") }

  static func bytes(_ name: String) throws -> [UInt8] {
    let file = try MappedFile(path: folder + name)
    return file.withBytes(0..<file.count) { Array($0) }
  }
}

/// A folder for files that a test makes; it goes when the test ends.
final class Scratch {
  let path: String

  init() throws {
    var template = Array("/tmp/lmtool-test-XXXXXX".utf8CString)
    path = try #require(mkdtemp(&template).map { String(cString: $0) })
  }

  deinit {
    if let folder = opendir(path) {
      while let entry = readdir(folder) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        unlink(path + "/" + name)
      }
      closedir(folder)
    }
    rmdir(path)
  }

  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = try OutputFile(path: path + "/" + name)
    try file.write(bytes)
    try file.commit()
    return file.path
  }

  @discardableResult
  func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }
}

/// Reads `json` as a tokenizer.json.
func definition(json: String) throws -> TokenizerDefinition {
  let scratch = try Scratch()
  return try .read(tokenizerJSON: try scratch.write("tokenizer.json", json))
}

/// The error that `body` throws.
func failure(_ body: () throws -> Void) -> LMToolError? {
  do {
    try body()
    return nil
  } catch {
    return error as? LMToolError
  }
}

/// A byte-level tokenizer over the letters a to e and space, with the given merges and parts.
func smallJSON(
  merges: [String] = [], extra: [String] = [], added: String = "[]", normalizer: String = "null",
  preTokenizer: String = #"{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}"#, options: String = ""
) -> String {
  let words = ["a", "b", "c", "d", "e", "Ġ", "1", "2"] + extra + merges.map { $0.replacing(" ", with: "") }
  let vocabulary = words.enumerated().map { "\"\($0.element)\":\($0.offset)" }.joined(separator: ",")
  let pairs = merges.map { "\"\($0)\"" }.joined(separator: ",")
  return """
    {"added_tokens":\(added),"normalizer":\(normalizer),"pre_tokenizer":\(preTokenizer),
    "decoder":{"type":"ByteLevel"},"model":{"type":"BPE"\(options),"vocab":{\(vocabulary)},"merges":[\(pairs)]}}
    """
}
