import Models
import Tensors
import Tokenizers

/// The text files of a model directory: configuration, tokenizer, chat template, generation settings.
enum ModelFolder {
  /// Files that are carried over as they are when the source is a model directory itself. `transformers` reads a lone
  /// tokenizer.model in ways of its own, so tokenizer.json and tokenizer_config.json are written where they are missing.
  private static let carried = [
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt",
    "generation_config.json", "chat_template.jinja", "added_tokens.json",
  ]

  /// Writes `config.json` and what belongs to the tokenizer.
  static func writeTexts(of source: ModelSource, config: JSONValue, to folder: OutputFolder) throws(LMToolError) {
    try write(try ConfigurationText.encode(config), "config.json", to: folder)
    let present = source.hasChangedTexts ? [] : source.files.filter { carried.contains(name($0)) }
    for file in present { try copy(file, to: folder) }
    func lacks(_ wanted: String) -> Bool { !present.contains { name($0) == wanted } }
    if let tokenizer = source.tokenizer, lacks("tokenizer.json") {
      try write(try tokenizer.tokenizerJSON(), "tokenizer.json", to: folder)
    }
    if let tokenizer = source.tokenizer, lacks("tokenizer_config.json") {
      try write(try tokenizer.tokenizerConfigJSON(chatTemplate: source.chatTemplate), "tokenizer_config.json", to: folder)
    }
    if lacks("generation_config.json") {
      try write(try encodeJSON(generation(of: source), pretty: true), "generation_config.json", to: folder)
    }
  }

  private static func generation(of source: ModelSource) -> JSONValue {
    if let generation = source.generation { return generation }
    var settings: [String: JSONValue] = [:]
    if let bos = source.tokenizer?.bos { settings["bos_token_id"] = .int(Int(bos)) }
    let ends = source.endTokens.sorted().map { JSONValue.int(Int($0)) }
    if !ends.isEmpty { settings["eos_token_id"] = ends.count == 1 ? ends[0] : .array(ends) }
    return .object(settings)
  }

  private static func write(_ bytes: [UInt8], _ name: String, to folder: OutputFolder) throws(LMToolError) {
    let file = try OutputFile(path: folder.path(of: name))
    try file.write(bytes)
    try file.commit()
  }

  private static func copy(_ source: MappedFile, to folder: OutputFolder) throws(LMToolError) {
    let file = try OutputFile(path: folder.path(of: name(source)))
    try source.withBytes(0..<source.count) { (bytes) throws(LMToolError) in try file.write(bytes) }
    try file.commit()
  }

  /// The file's name without folders.
  static func name(_ file: MappedFile) -> String { String(file.path.split(separator: "/").last ?? "") }
}
