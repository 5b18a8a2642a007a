import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension TokenizerDefinition {
  /// Reads the tokenizer of a model directory: `tokenizer.json`, else `tekken.json`, else `tokenizer.model` (SentencePiece, or
  /// ranks of tiktoken), else `vocab.json` with `merges.txt`, else `*.tiktoken`, else the `tokenizer.bin` of llama2.c; nil when
  /// there is none of them.
  ///
  /// `tokenizer_config.json`, `special_tokens_map.json` and `generation_config.json` name the special tokens; beside a file other
  /// than `tokenizer.json`, `added_tokens.json` and `tokenizer_config.json` add tokens.
  ///
  /// - Parameter vocabularySize: the number of tokens of the model, which `tokenizer.bin` alone needs.
  public static func read(folder: String, vocabularySize: Int? = nil) throws(LMToolError) -> TokenizerDefinition? {
    guard var definition = try readTokens(folder, vocabularySize) else { return nil }
    let files = TokenizerFolder(path: folder)
    if files.find("tokenizer.json") == nil { try files.add(to: &definition) }
    try files.apply(to: &definition)
    try definition.validate()
    return definition
  }

  private static func readTokens(_ folder: String, _ vocabularySize: Int?) throws(LMToolError) -> TokenizerDefinition? {
    let files = TokenizerFolder(path: folder)
    if let path = files.find("tokenizer.json") { return try read(tokenizerJSON: path) }
    if let path = files.find("tekken.json") { return try read(tekken: path) }
    if let path = files.find("tokenizer.model") { return try read(model: path) }
    if let vocabulary = files.find("vocab.json"), let merges = files.find("merges.txt") {
      return try read(vocabulary: vocabulary, merges: merges)
    }
    if let path = files.firstRankFile { return try read(tiktoken: path) }
    guard let path = files.find("tokenizer.bin") else { return nil }
    guard let vocabularySize else {
      throw .tokenizer("tokenizer.bin does not say how many tokens it has; the model does", rule: 10, file: path)
    }
    return try read(llama2c: path, vocabularySize: vocabularySize)
  }

  /// Reads a `tokenizer.model`: SentencePiece's, or the rank file that Meta calls so.
  public static func read(model path: String) throws(LMToolError) -> TokenizerDefinition {
    try isTiktoken(path) ? try read(tiktoken: path) : try read(sentencePiece: path)
  }
}

/// The files beside a tokenizer that name its special tokens.
private struct TokenizerFolder {
  let path: String

  func find(_ name: String) -> String? {
    let file = path + "/" + name
    return access(file, F_OK) == 0 ? file : nil
  }

  /// The first file, by name, that ends in `.tiktoken`.
  var firstRankFile: String? {
    guard let folder = opendir(path) else { return nil }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: $0.pointee)) { String(cString: $0) }
      }
      if name.hasSuffix(".tiktoken") { names.append(name) }
    }
    return names.min().map { path + "/" + $0 }
  }

  /// Adds the tokens that files beside the tokenizer name (TOK-16).
  func add(to definition: inout TokenizerDefinition) throws(LMToolError) {
    let config = try find("tokenizer_config.json").map { (path) throws(LMToolError) in try JSONTree.read(path: path) }
    if let path = find("added_tokens.json") {
      do throws(LMToolError) {
        try definition.add(try NamedToken.read(map: try JSONTree.read(path: path), special: try specialNames(config)))
      } catch { throw error.within(file: path) }
    }
    guard let decoder = config?["added_tokens_decoder"] else { return }
    do throws(LMToolError) {
      try definition.add(try NamedToken.read(decoder: decoder))
    } catch { throw error.within(file: path + "/tokenizer_config.json") }
  }

  /// The spellings of the tokens that have a role.
  private func specialNames(_ config: JSONTree?) throws(LMToolError) -> Set<[UInt8]> {
    let map = try find("special_tokens_map.json").map { (path) throws(LMToolError) in try JSONTree.read(path: path) }
    var names: Set<[UInt8]> = []
    for tree in [config, map] {
      for member in tree?.members ?? [] where member.key.suffix(6).elementsEqual("_token".utf8) {
        if let name = member.value.bytes ?? member.value["content"]?.bytes { names.insert(name) }
      }
      for name in tree?["additional_special_tokens"]?.array ?? [] {
        if let name = name.bytes ?? name["content"]?.bytes { names.insert(name) }
      }
    }
    return names
  }

  func apply(to definition: inout TokenizerDefinition) throws(LMToolError) {
    if let map = find("special_tokens_map.json") { try applyNames(map, &definition) }
    if let config = find("tokenizer_config.json") { try applyNames(config, &definition) }
    guard let path = find("generation_config.json"), let ids = try JSONTree.read(path: path)["eos_token_id"] else { return }
    for id in ids.array ?? [ids] {
      guard let id = id.id, id >= 0, id < definition.vocabularySize else {
        throw .tokenizer("an end-of-text token is outside the vocabulary", rule: 3, file: path, at: .key("eos_token_id"))
      }
      if !definition.eos.contains(id) { definition.eos.append(id) }
    }
  }

  private func applyNames(_ path: String, _ definition: inout TokenizerDefinition) throws(LMToolError) {
    let config = try JSONTree.read(path: path)
    let names = TokenNames(definition)
    do throws(LMToolError) {
      if let id = try names.id(config, "bos_token") { definition.bos = id }
      if let id = try names.id(config, "eos_token") { definition.eos = [id] + definition.eos.filter { $0 != id } }
      if let id = try names.id(config, "pad_token") { definition.padding = id }
    } catch {
      throw error.within(file: path)
    }
    if let adds = config["add_bos_token"]?.bool { definition.addsBOS = adds && definition.bos != nil }
    if let adds = config["add_eos_token"]?.bool { definition.addsEOS = adds && !definition.eos.isEmpty }
  }
}

/// Finds special tokens by their spelling.
private struct TokenNames {
  private var ids: [[UInt8]: Int32] = [:]

  init(_ definition: TokenizerDefinition) {
    for id in 0..<definition.vocabularySize where definition.vocabulary.type(of: id) != .normal {
      ids[Array(definition.vocabulary[id])] = Int32(id)
    }
    for id in 0..<definition.vocabularySize where definition.vocabulary.type(of: id) == .normal {
      let spelling = definition.spelling(of: id)
      if ids[spelling] == nil { ids[spelling] = Int32(id) }
    }
  }

  /// The id of the token that `config` names under `key`, as a string or as an object with its content.
  func id(_ config: JSONTree, _ key: String) throws(LMToolError) -> Int32? {
    guard let value = config[key], let name = value.bytes ?? value["content"]?.bytes, !name.isEmpty else { return nil }
    guard let id = ids[name] else {
      throw .tokenizer("\(String(decoding: name, as: UTF8.self).printable) is not in the vocabulary", rule: 3, at: .key(key))
    }
    return id
  }
}
