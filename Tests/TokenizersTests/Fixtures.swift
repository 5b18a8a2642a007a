import Tensors
import TestSupport
import Testing
import Tokenizers

/// The fixtures of this room.
extension Fixtures {
  struct Vector: Decodable {
    var text: String
    var gpt2: [Int32]
    var smollm: [Int32]
    var tok512: [Int32]
  }

  static func vectors() throws -> [Vector] {
    try decodeJSON([Vector].self, file: MappedFile(path: path("tokenizers/vectors.json")))
  }

  static func gpt2() throws -> TokenizerDefinition {
    try .read(vocabulary: path("tokenizers/gpt2-vocab.json"), merges: path("tokenizers/gpt2-merges.txt"))
  }

  static func smollm() throws -> TokenizerDefinition { try .read(tokenizerJSON: path("tokenizers/smollm-tokenizer.json")) }
  static func tok512() throws -> TokenizerDefinition { try .read(sentencePiece: path("tokenizers/tok512.model")) }
}

/// Reads `json` as a tokenizer.json.
func definition(json: String) throws -> TokenizerDefinition {
  let scratch = TestFolder()
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
