import Tensors
import TestSupport
import Testing
import Tokenizers

/// Rules TOK-9 and TOK-10: broken tokenizer.model and tokenizer.bin files.
@Suite struct HostileFileTests {
  private func readModel(_ bytes: [UInt8]) throws -> TokenizerDefinition {
    let scratch = TestFolder()
    return try .read(sentencePiece: try scratch.write("tokenizer.model", bytes))
  }

  private func readBin(_ bytes: [UInt8], _ size: Int) throws -> TokenizerDefinition {
    let scratch = TestFolder()
    return try .read(llama2c: try scratch.write("tokenizer.bin", bytes), vocabularySize: size)
  }

  /// A ModelProto of BPE pieces: the unknown token, and one piece per text.
  private func model(_ pieces: [String], trainer: [UInt8] = [0x18, 2], normalizer: [UInt8] = [], type: UInt8 = 1) -> [UInt8] {
    func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] { [number << 3 | 2, UInt8(bytes.count)] + bytes }
    let unknown = field(1, field(1, Array("<unk>".utf8)) + [0x18, 2])
    let others = pieces.flatMap { field(1, field(1, Array($0.utf8)) + [0x18, type]) }
    return unknown + others + field(2, trainer) + field(3, normalizer)
  }

  @Test func aSmallModelIsRead() throws {
    let definition = try readModel(model(["a", "b"]))
    #expect(definition.vocabularySize == 3)
    #expect(definition.unknown == 0 && definition.bos == 1 && definition.eos == [2])
  }

  @Test func everyTruncationIsRefusedOrReadsLess() throws {
    let whole = try contents(Fixtures.path("tokenizers/tok512.model"))
    for length in stride(from: 0, to: whole.count - 1, by: 97) {
      let error = failure { _ = try readModel(Array(whole.prefix(length))) }
      #expect(error?.code == .badInput, "\(length)")
    }
  }

  @Test func flippedBytesNeverTrap() throws {
    var bytes = try contents(Fixtures.path("tokenizers/tok512.model"))
    for position in stride(from: 0, to: bytes.count, by: 13) {
      bytes[position] ^= 0xFF
      if let definition = try? readModel(bytes) { _ = try? Tokenizer(definition).encode("once upon a time") }
      bytes[position] ^= 0xFF
    }
  }

  @Test(
    arguments: [
      [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
      [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
      [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
      [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
      [0x0A, 0x05, 0x41], [0x0B], [0x00, 0x00], [0x0D, 0x01],
    ] as [[UInt8]])
  func brokenWireFormatIsRefused(bytes: [UInt8]) {
    #expect(failure { _ = try readModel(bytes) }?.rule == "TOK-9")
  }

  @Test func foreignKindsOfModelsAreNamed() throws {
    let error = try #require(failure { _ = try readModel(model(["a", "b"], trainer: [0x18, 3])) })
    #expect(error.message.contains("word"))
    #expect(failure { _ = try readModel(model(["a", "b"], normalizer: [0x12, 1, 0])) }?.rule == "TOK-18")
    #expect(failure { _ = try readModel(model(["a", "b"], normalizer: [0x28, 0])) }?.rule == "TOK-9")
    #expect(failure { _ = try readModel(model(["a", "b"], type: 5)) }?.rule == "TOK-9")
    #expect(failure { _ = try readModel(model(["a", "b"], type: 9)) }?.rule == "TOK-9")
  }

  @Test func duplicatePiecesAndForeignIDsAreRefused() throws {
    let duplicate = try readModel(model(["a", "a"]))
    #expect(failure { _ = try Tokenizer(duplicate) }?.rule == "TOK-2")
    #expect(failure { _ = try readModel(model(["a"])) }?.rule == "TOK-3")
    #expect(failure { _ = try readModel(model(["a", "b"], type: 6)) }?.rule == "TOK-5")
  }

  @Test func truncatedAndOversizedTokenizerBinIsRefused() throws {
    let whole = try contents(Fixtures.path("tokenizers/tok512.bin"))
    for length in stride(from: 0, to: whole.count, by: 101) {
      #expect(failure { _ = try readBin(Array(whole.prefix(length)), 512) }?.code == .badInput, "\(length)")
    }
    #expect(failure { _ = try readBin(whole, 511) }?.rule == "TOK-10")
    #expect(failure { _ = try readBin(whole, 513) }?.rule == "TOK-10")
    for size in [-1, 0, 2, Int.max] { #expect(failure { _ = try readBin(whole, size) }?.rule == "TOK-1") }
  }

  @Test func hugeLengthsInTokenizerBinAreRefused() throws {
    var bytes = try contents(Fixtures.path("tokenizers/tok512.bin"))
    bytes.replaceSubrange(8..<12, with: [0xFF, 0xFF, 0xFF, 0x7F])
    #expect(failure { _ = try readBin(bytes, 512) }?.rule == "TOK-10")
    bytes.replaceSubrange(0..<4, with: [0xFF, 0xFF, 0xFF, 0xFF])
    #expect(failure { _ = try readBin(bytes, 512) }?.rule == "TOK-10")
  }

  @Test func scoresThatAreNoNumbersAreRefused() throws {
    var bytes = try contents(Fixtures.path("tokenizers/tok512.bin"))
    bytes.replaceSubrange(4..<8, with: [0, 0, 0xC0, 0x7F])
    #expect(failure { _ = try readBin(bytes, 512) }?.rule == "TOK-2")
  }

  @Test func missingFilesAreSaidToBeMissing() throws {
    #expect(failure { _ = try TokenizerDefinition.read(tokenizerJSON: "/nonexistent/tokenizer.json") }?.code == .missingInput)
    #expect(failure { _ = try TokenizerDefinition.read(sentencePiece: "/nonexistent/tokenizer.model") }?.code == .missingInput)
  }
}
