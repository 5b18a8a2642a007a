import Tensors
import TestSupport
import Testing
import Tokenizers

/// The order in which tokens go.
@Suite struct TrimmingOrderTests {
  private func order(
    merges: [String], loss: [String: Double]
  ) throws -> (order: TrimmingOrder, names: [String]) {
    let definition = try definition(json: smallJSON(merges: merges))
    let parents = TokenParents(try Tokenizer(definition)), size = definition.vocabularySize
    let names = (0..<size).map { definition.vocabulary.text(of: $0) }
    let order = TrimmingOrder(
      parents, isFixed: parents.closure(of: []), loss: names.map { loss[$0] ?? 0 }, bytes: Array(repeating: 2, count: size))
    return (order, order.tokens.map { names[Int($0)] })
  }

  @Test func theCheapestGoesFirst() throws {
    let (order, names) = try order(merges: ["a b", "b c", "c d"], loss: ["ab": 3, "bc": 1, "cd": 2])
    #expect(names == ["bc", "cd", "ab"])
    #expect(order.prices == [0.5, 1, 1.5])
  }

  @Test func noTokenGoesBeforeThoseThatAreMergedFromIt() throws {
    let (order, names) = try order(merges: ["a b", "ab c", "abc d"], loss: ["ab": 0, "abc": 1, "abcd": 5])
    #expect(names == ["abcd", "abc", "ab"])
    // All three are worth more together than the last two, and more than the last one.
    #expect(order.prices == [1, 1, 1])
  }

  @Test func aDearTokenGoesWhenMuchCheapComesWithIt() throws {
    let (_, names) = try order(merges: ["a b", "ab c", "d e"], loss: ["ab": 0, "abc": 4, "de": 3])
    #expect(names == ["abc", "ab", "de"])
    let (_, others) = try self.order(merges: ["a b", "ab c", "d e"], loss: ["ab": 0, "abc": 8, "de": 3])
    #expect(others == ["de", "abc", "ab"])
  }

  @Test func everyPrefixLeavesAClosedVocabulary() throws {
    let definition = try Fixtures.smollm(), size = definition.vocabularySize
    let parents = TokenParents(try Tokenizer(definition)), isFixed = parents.closure(of: [])
    let loss = (0..<size).map { Double(UInt32($0) &* 2_654_435_761 >> 8) }
    let order = TrimmingOrder(parents, isFixed: isFixed, loss: loss, bytes: Array(repeating: 1, count: size))
    #expect(order.tokens.count == isFixed.count { !$0 })
    #expect(Set(order.tokens).count == order.tokens.count)
    #expect(order.prices == order.prices.sorted())
    var isGone = [Bool](repeating: false, count: size)
    for token in order.tokens.reversed() { isGone[Int(token)] = true }
    // From the last one backwards, a token comes back only when its parents are there.
    for token in order.tokens.reversed() {
      #expect(parents.parents(of: token).allSatisfy { !isGone[Int($0)] })
      isGone[Int(token)] = false
    }
  }
}
