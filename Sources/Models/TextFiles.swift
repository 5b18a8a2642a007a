import Tensors
import Tokenizers

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What a model directory says of text: tokenizer, chat template, generation settings.
struct TextFiles {
  var tokenizer: TokenizerDefinition?
  var problem: LMToolError?
  var chatTemplate: String?
  var generation: JSONValue?
  var files: [MappedFile] = []

  static let names = [
    "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "merges.txt", "tokenizer.bin",
    "special_tokens_map.json", "generation_config.json", "chat_template.jinja",
    "chat_template.json", "tekken.json", "added_tokens.json",
  ]

  /// Reads what is there. A tokenizer that is not understood is no failure until someone needs it.
  init(folder: String, vocabularySize: Int) {
    do throws(LMToolError) {
      tokenizer = try TokenizerDefinition.read(folder: folder, vocabularySize: vocabularySize)
    } catch { problem = error }
    chatTemplate =
      Self.text(folder + "/chat_template.jinja") ?? Self.template(folder + "/tokenizer_config.json")
      ?? Self.template(folder + "/chat_template.json")
    generation = Self.json(folder + "/generation_config.json")
    let present = [folder + "/config.json"] + Self.names.map { folder + "/" + $0 }
    files = present.filter { access($0, R_OK) == 0 }.compactMap { try? MappedFile(path: $0) }
  }

  private static func json(_ path: String) -> JSONValue? {
    guard access(path, R_OK) == 0, let file = try? MappedFile(path: path) else { return nil }
    return try? decodeJSON(JSONValue.self, file: file)
  }

  private static func text(_ path: String) -> String? {
    guard access(path, R_OK) == 0, let file = try? MappedFile(path: path), file.count < 1 << 20 else { return nil }
    return file.withBytes(0..<file.count) { String(decoding: $0, as: UTF8.self) }
  }

  /// `chat_template`: one string, or several with names, of which "default" counts.
  private static func template(_ path: String) -> String? {
    let value = json(path)?["chat_template"]
    let several = value?.array ?? []
    return value?.string ?? (several.first { $0["name"]?.string == "default" } ?? several.first)?["template"]?.string
  }
}
