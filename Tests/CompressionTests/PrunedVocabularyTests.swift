import Artifacts
import Checkpoints
import Compression
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing
import Tokenizers

/// Tokenizers of models whose vocabulary was pruned: as `tokenizers` reads them, and for any bytes (TOK-13).
struct PrunedVocabularyTests {
  let scratch = TestFolder()

  private struct Reference: Decodable {
    struct Model: Decodable {
      var tokens: Int
      var sha256: String
    }

    /// A text, then its ids in the models in their order.
    struct Line: Decodable {
      var text: String
      var ids: [[Int32]]

      init(from decoder: any Decoder) throws {
        var values = try decoder.unkeyedContainer()
        text = try values.decode(String.self)
        ids = []
        while !values.isAtEnd { ids.append(try values.decode([Int32].self)) }
      }
    }

    var models: [String: Model]
    var ids: [Line]
  }

  /// As in `make_pruned.py`.
  private static let names = ["smollm", "gpt2", "tok512", "unigram"]
  private static let sizes = [49152, 50257, 512, 500]
  private static let files: [[String: String]] = [
    ["tokenizer.json": "smollm-tokenizer.json"], ["vocab.json": "gpt2-vocab.json", "merges.txt": "gpt2-merges.txt"],
    ["tokenizer.model": "tok512.model"], ["tokenizer.model": "unigram.model"],
  ]

  /// A LLaMA of one layer whose weights are zero, beside a tokenizer.
  private func model(_ index: Int) throws -> ModelSource {
    let folder = try OutputFolder(path: scratch.path("whole")), tokens = Self.sizes[index]
    var entries = [
      SafetensorsEntry(name: "model.embed_tokens.weight", dtype: .f32, shape: [tokens, 4]),
      SafetensorsEntry(name: "model.norm.weight", dtype: .f32, shape: [4]),
    ]
    for name in ["input_layernorm", "post_attention_layernorm"] {
      entries.append(SafetensorsEntry(name: "model.layers.0.\(name).weight", dtype: .f32, shape: [4]))
    }
    let attention = ["q", "k", "v", "o"].map { "self_attn.\($0)_proj" }, mlp = ["gate", "up", "down"].map { "mlp.\($0)_proj" }
    for name in attention + mlp {
      entries.append(SafetensorsEntry(name: "model.layers.0.\(name).weight", dtype: .f32, shape: [4, 4]))
    }
    let writer = try SafetensorsWriter(path: folder.path(of: SafetensorsCheckpoint.fileName), entries: entries)
    for entry in entries { try writer.write(floats: [Float](repeating: 0, count: entry.shape.reduce(1, *))) }
    try writer.finish()
    let config: JSONValue = .object([
      "model_type": .string("llama"), "hidden_size": .int(4), "intermediate_size": .int(4), "num_hidden_layers": .int(1),
      "num_attention_heads": .int(1), "vocab_size": .int(tokens), "max_position_embeddings": .int(64),
      "rms_norm_eps": .double(1e-5), "tie_word_embeddings": .bool(true),
    ])
    let texts =
      try Self.files[index].map { ($0, try contents(Fixtures.path("tokenizers/\($1)"))) }
      + [("config.json", try encodeJSON(config))]
    for (name, bytes) in texts {
      let file = try OutputFile(path: folder.path(of: name))
      try file.write(bytes)
      try file.commit()
    }
    try folder.commit()
    return try ModelSource.open(scratch.path("whole"))
  }

  private func pruned(_ source: ModelSource, tokens: Int) throws -> ModelSource {
    var options = PruningOptions()
    options.vocabulary = tokens
    _ = try Pruning(source, to: scratch.path("pruned"), options: options, calibration: CalibrationOptions()).run()
    return try ModelSource.open(scratch.path("pruned"))
  }

  /// The ids that `tokenizers` makes of the tokenizer.json that `prune --vocab` writes.
  @Test(arguments: 0..<4) func writtenTokenizersMakeTheIDsOfTheReference(index: Int) throws {
    let reference = try decodeJSON(Reference.self, file: MappedFile(path: Fixtures.path("tokenizers/pruned.json")))
    let expected = try #require(reference.models[Self.names[index]])
    let model = try pruned(try model(index), tokens: expected.tokens)
    let written = try contents(scratch.path("pruned/tokenizer.json"))
    #expect(Digest.hex(written) == expected.sha256, "another file than the reference read")
    let tokenizer = try model.makeTokenizer()
    #expect(tokenizer.definition.vocabularySize == expected.tokens && model.spec.vocabularySize == expected.tokens)
    #expect(reference.ids.count > 100)
    // `tokenizers` finds the names of bytes in the text itself, SentencePiece does not, and neither do we.
    for line in reference.ids where index != 3 || line.text != "<0x41>" {
      let ids = tokenizer.encode(line.text, addSpecial: false, parseSpecial: true)
      #expect(ids == line.ids[index], "\(line.text.debugDescription)")
    }
  }

  /// Any bytes come back as they did from the whole vocabulary: where its tokens are bytes, as they are.
  @Test(arguments: 0..<4) func anyBytesRoundTrip(index: Int) throws {
    let source = try model(index), whole = try source.makeTokenizer(), least = try VocabularyTrimming(source).closure(of: [])
    let tokenizer = try pruned(source, tokens: least.count { $0 } + 20).makeTokenizer()
    var noise = Noise(UInt64(index))
    let random = (0..<300).map { _ in (0..<Int(noise.next() % 40)).map { _ in UInt8(truncatingIfNeeded: noise.next()) } }
    for bytes in random + (UInt8.min...UInt8.max).map({ [$0] }) {
      let back = tokenizer.decode(tokenizer.encode(bytes: bytes, addSpecial: false))
      #expect(back == whole.decode(whole.encode(bytes: bytes, addSpecial: false)), "\(bytes)")
      // What is no UTF-8 is U+FFFD. SmolLM2 has no tokens for some control characters, and drops them.
      if index == 1 { #expect(back == Array(String(decoding: bytes, as: UTF8.self).utf8)) }
    }
  }
}
