import Tensors

extension TokenizerDefinition {
  /// Reads GPT-2's `vocab.json` and `merges.txt`; the words are split by GPT-2's pattern.
  ///
  /// A token named `<|endoftext|>`, the one special token of GPT-2, is taken as such.
  public static func read(vocabulary: String, merges: String) throws(LMToolError) -> TokenizerDefinition {
    let tree = try JSONTree.read(path: vocabulary)
    let words: VocabularyBuilder
    let end: Int32?
    do throws(LMToolError) {
      words = try VocabularyBuilder(tree.members, key: "vocabulary")
      end = words.id(of: Array("<|endoftext|>".utf8))
    } catch {
      throw error.within(file: vocabulary)
    }
    let added = end.map { [AddedToken(id: $0, isSpecial: true)] } ?? []
    let rules = Model.byteLevel(ByteLevelRules())
    var definition = TokenizerDefinition(
      model: rules, vocabulary: try words.vocabulary(rules, added: added, unknown: nil),
      merges: try readMerges(merges, words), added: added)
    definition.bos = end
    definition.eos = end.map { [$0] } ?? []
    try definition.validate()
    return definition
  }

  private static func readMerges(_ path: String, _ words: VocabularyBuilder) throws(LMToolError) -> [Merge] {
    let file = try MappedFile(path: path)
    guard file.count <= maximumJSONSize else { throw .tokenizer("merges.txt is too large", rule: 1, file: path) }
    let text = file.withBytes(0..<file.count) { Array($0) }
    var merges: [Merge] = []
    do throws(LMToolError) {
      for (number, line) in text.split(separator: UInt8(ascii: "\n")).enumerated() {
        let content = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
        if number == 0 && content.starts(with: "#version".utf8) || content.isEmpty { continue }
        merges.append(try words.merge(content, merges.count))
      }
    } catch {
      throw error.within(file: path)
    }
    return merges
  }
}
