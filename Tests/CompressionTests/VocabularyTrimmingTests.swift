import Artifacts
import Compression
import Inference
import Kernels
import Models
import OrderedCollections
import Quantization
import Tensors
import TestSupport
import Testing
import Tokenizers

/// Models with fewer tokens.
struct VocabularyTrimmingTests {
  private static let kept = (0..<Int32(512)).filter { $0 * 7 % 10 < 6 }

  private func original() throws -> ModelSource { try .open(safetensors: stories) }

  private func trimmed(_ source: ModelSource) throws -> (model: ModelSource, oldIDs: [Int32]) {
    let trimming = try VocabularyTrimming(source)
    let model = try trimming.trimmed(keeping: Self.kept)
    let isKept = trimming.closure(of: Self.kept)
    return (model, isKept.indices.filter { isKept[$0] }.map { Int32($0) })
  }

  @Test func rowsOfTheEmbeddingAreThoseOfTheKeptTokens() throws {
    let source = try original(), (model, oldIDs) = try trimmed(source)
    #expect(model.spec.vocabularySize == oldIDs.count && oldIDs.count < 512)
    #expect(model.config["vocab_size"]?.int == oldIDs.count)
    #expect(model.spec == (try Architectures.spec(of: Configuration(model.config))))
    let before = try source.tensor(source.spec.embedding).readAll(), after = try model.tensor(model.spec.embedding).readAll()
    let width = source.spec.width
    #expect(after == oldIDs.flatMap { before[Int($0) * width..<(Int($0) + 1) * width] })
    // Any stretch reads the same.
    for range in [0..<1, 5..<6, 63..<65, 100..<9_000, after.count - 70..<after.count] {
      let tensor = try model.tensor(model.spec.embedding)
      let part = [Float](unsafeUninitializedCapacity: range.count) { buffer, count in
        try? tensor.read(range, into: UnsafeMutableBufferPointer(rebasing: buffer[..<range.count]))
        count = range.count
      }
      #expect(part == Array(after[range]))
    }
  }

  @Test func keptTokensHaveTheLogitsTheyHad() throws {
    let source = try original(), (model, oldIDs) = try trimmed(source)
    let tokens: [Int32] = [1, 3, 30, 7, 100]
    let new = tokens.map { old in Int32(oldIDs.firstIndex { $0 == oldIDs[Int(old)] } ?? 0) }
    let before = try logits(source, tokens.map { oldIDs[Int($0)] }), after = try logits(model, new)
    for row in tokens.indices {
      let expected = oldIDs.map { before[row * 512 + Int($0)] }
      #expect(expected == Array(after[row * oldIDs.count..<(row + 1) * oldIDs.count]))
    }
  }

  @Test func codesOfAQuantizedModelStayCodes() throws {
    let scratch = TestFolder()
    try Quantizing.run(try original(), recipe: .int8, to: scratch.path + "/int8")
    let source = try ModelSource.open(scratch.path + "/int8"), (model, oldIDs) = try trimmed(source)
    let before = try #require(try source.tensor(source.spec.embedding) as? any GridTensorReader).readGrid()
    let after = try #require(try model.tensor(model.spec.embedding) as? any GridTensorReader).readGrid()
    let width = before.layout.bytesPerRow, groups = before.layout.groupsPerRow
    #expect(after.codes == oldIDs.flatMap { before.codes[Int($0) * width..<(Int($0) + 1) * width] })
    #expect(after.scales == oldIDs.flatMap { before.scales[Int($0) * groups..<(Int($0) + 1) * groups] })
    let floats = try source.tensor(source.spec.embedding).readAll(), columns = source.spec.width
    #expect(
      try model.tensor(model.spec.embedding).readAll() == oldIDs.flatMap { floats[Int($0) * columns..<(Int($0) + 1) * columns] })
  }

  @Test func whatIsWrittenIsTheTrimmedModel() throws {
    let scratch = TestFolder()
    let (model, _) = try trimmed(try original())
    try Importing.run(model, to: scratch.path + "/folder")
    let folder = try ModelSource.open(scratch.path + "/folder")
    #expect(folder.tokenizer?.vocabulary == model.tokenizer?.vocabulary)
    #expect(folder.endTokens == model.endTokens)
    #expect(try values(folder) == values(model))
    _ = try Exporting.lmz(model, to: scratch.path + "/model.lmz", recipe: .object([:]))
    let artifact = try ModelSource.open(scratch.path + "/model.lmz")
    #expect(artifact.tokenizer == model.tokenizer)
    #expect(artifact.spec == model.spec)
  }

  @Test func idsInTheSettingsAreRenumbered() throws {
    var source = try original()
    var config = source.config.object ?? [:]
    config["eos_token_id"] = .array([.int(2), .int(400)])
    config["pad_token_id"] = .int(-1)
    config["decoder"] = .object(["forced_bos_token_id": .int(300)])
    source.config = .object(config)
    source.generation = .object([
      "eos_token_id": .int(2), "pad_token_id": .int(9_999), "temperature": .double(0.5),
      "suppress_tokens": .array([.int(300), .int(511)]),
      "bad_words_ids": .array([.array([.int(1), .int(511)]), .array([.int(300)])]),
    ])
    let trimming = try VocabularyTrimming(source)
    let kept = trimming.closure(of: []), model = try trimming.trimmed(keeping: [])
    func new(_ old: Int) -> JSONValue { .int(kept[..<old].count { $0 }) }
    #expect(kept[400] && kept[300] && !kept[511])
    #expect(model.config["eos_token_id"] == .array([.int(2), new(400)]))
    #expect(model.config["pad_token_id"] == .int(-1))
    #expect(model.config["decoder"]?["forced_bos_token_id"] == new(300))
    #expect(model.generation?["eos_token_id"] == .int(2))
    #expect(model.generation?["pad_token_id"] == nil)
    #expect(model.generation?["temperature"] == .double(0.5))
    #expect(model.generation?["suppress_tokens"] == .array([new(300)]))
    #expect(model.generation?["bad_words_ids"] == .array([.array([new(300)])]))
    #expect(model.endTokens == [2, Int32(kept[..<400].count { $0 })])
  }

  @Test func aModelWithoutTokenizerCannotBeTrimmed() throws {
    var source = try original()
    source.tokenizer = nil
    expectFailure(.missingInput) { _ = try VocabularyTrimming(source) }
    expectFailure(.usage) { _ = try VocabularyTrimming(try original()).trimmed(keeping: [512]) }
  }
}
