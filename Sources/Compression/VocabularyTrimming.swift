import Models
import OrderedCollections
import Quantization
import Tensors
import Tokenizers

/// Gives a model a smaller vocabulary: rows of embedding and head go, and ids are renumbered wherever they stand.
///
/// Nothing is copied: the rows that stay are read from the original when they are asked for, so that every later stage
/// works on the trimmed model as on any other.
public struct VocabularyTrimming: Sendable {
  /// The model.
  public let source: ModelSource
  /// The tokens that merges make of each other, and those that must stay.
  public let parents: TokenParents
  /// The tokens that configuration and generation settings name.
  private let named: [Int32]

  /// - Throws: `missingInput` when the model has no tokenizer, or the reason why it is not understood.
  public init(_ source: ModelSource) throws(LMToolError) {
    self.source = source
    let tokenizer = try source.makeTokenizer()
    parents = TokenParents(tokenizer)
    let ids = [source.config, source.generation ?? .null].flatMap { TokenIDRemapping.required(by: $0) }
    let tokens = min(source.spec.vocabularySize, tokenizer.definition.vocabularySize)
    named = Set(ids).filter { $0 >= 0 && $0 < tokens }.sorted().map { Int32($0) }
  }

  /// The smallest set of tokens that has all of `ids` and leaves the model whole, by id.
  public func closure(of ids: some Sequence<Int32>) -> [Bool] { parents.closure(of: Array(ids) + named) }

  /// The model with the tokens of `ids` and what `closure` adds to them.
  ///
  /// Rows beyond the tokenizer's vocabulary go too. Tokens without a row, which some tokenizers add, stay without one.
  ///
  /// - Throws: `usage` when an id is not in the vocabulary.
  public func trimmed(keeping ids: some Sequence<Int32>) throws(LMToolError) -> ModelSource {
    let ids = Array(ids), tokens = parents.isRequired.count
    if let bad = ids.first(where: { $0 < 0 || $0 >= tokens }) {
      throw LMToolError(.usage, "token \(bad) cannot be kept; the vocabulary has \(tokens) tokens", file: source.path)
    }
    guard let tokenizer = source.tokenizer else { throw LMToolError(.bug, "a model without tokenizer was trimmed") }
    let (definition, oldIDs) = try tokenizer.trimmed(to: closure(of: ids))
    var result = source
    result.tokenizer = definition
    result.hasChangedTexts = true
    let rows = oldIDs.filter { $0 < source.spec.vocabularySize }
    result.select(rows)
    var newIDs = [Int32](repeating: -1, count: tokens)
    for (new, old) in oldIDs.enumerated() { newIDs[Int(old)] = Int32(new) }
    let remapping = TokenIDRemapping(newIDs: newIDs)
    var config = remapping.remapped(source.config).object ?? [:]
    config["vocab_size"] = .int(rows.count)
    result.config = .object(config)
    result.generation = source.generation.map { remapping.remapped($0) }
    return result
  }
}

extension ModelSource {
  /// Leaves only `rows` of the embedding and the head.
  fileprivate mutating func select(_ rows: [Int32]) {
    spec.vocabularySize = rows.count
    let head = [spec.head.weight] + (spec.head.bias.map { [$0] } ?? [])
    for tensor in Set([spec.embedding] + head) {
      guard let base = tensors[tensor.name] else { continue }
      if let grid = base as? any GridTensorReader {
        tensors[tensor.name] = SelectedGridRows(base: grid, rows: rows)
      } else {
        tensors[tensor.name] = SelectedRows(base: base, rows: rows)
      }
    }
    spec.embedding.resize(rows: rows.count)
    spec.head.weight.resize(rows: rows.count)
    spec.head.bias?.resize(rows: rows.count)
  }
}
