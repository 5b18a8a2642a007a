import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// llama2.c files: `formats/llama2c.md`.
struct Llama2cFileTests {
  let folder = TestFolder()

  private func open(_ bytes: [UInt8]) throws -> Llama2cFile { try Llama2cFile(path: try folder.write("model.bin", bytes)) }

  /// The matrix of the Hugging Face model that a tensor must equal.
  private func huggingFaceName(_ name: String) -> String {
    let names = [
      ("tok_embeddings", "model.embed_tokens"), ("attention.wv", "self_attn.v_proj"), ("attention.wo", "self_attn.o_proj"),
      ("feed_forward.w1", "mlp.gate_proj"), ("feed_forward.w2", "mlp.down_proj"), ("feed_forward.w3", "mlp.up_proj"),
      ("attention_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm"),
    ]
    let renamed = names.reduce(name) { $0.replacing($1.0, with: $1.1) }
    return renamed == "norm.weight" || renamed.hasPrefix("layers.") ? "model." + renamed : renamed
  }

  @Test func readsVersion0() throws {
    let file = try Llama2cFile(path: Fixtures.path("stories260K/stories260K.bin"))
    #expect(file.version == 0 && file.isTied && file.groupSize == nil)
    let dimensions = file.dimensions
    #expect(
      [dimensions.dim, dimensions.hiddenDim, dimensions.layers, dimensions.heads, dimensions.kvHeads] == [64, 172, 5, 8, 4])
    #expect(
      [dimensions.vocabularySize, dimensions.maximumSequenceLength, dimensions.headSize, dimensions.kvDim] == [512, 512, 8, 32])
    let model = try SafetensorsCheckpoint(path: stories)
    #expect(file.tensors.count == 47)
    for tensor in file.tensors.values where !tensor.name.contains(".wq") && !tensor.name.contains(".wk") {
      let other = try #require(model.tensors[huggingFaceName(tensor.name)], "\(tensor.name)")
      #expect(tensor.shape == other.shape)
      #expect(try tensor.readAll() == other.readAll(), "\(tensor.name)")
    }
  }

  /// wq and wk are in Meta's order: row 2i + j of a head is row i + 4j in Hugging Face's, for heads of 8.
  @Test func keepsTheRowsOfQueriesAndKeysInMetasOrder() throws {
    let query = try #require(
      try Llama2cFile(path: Fixtures.path("stories260K/stories260K.bin")).tensors["layers.1.attention.wk.weight"])
    let model = try SafetensorsCheckpoint(path: stories)
    let other = try #require(model.tensors["model.layers.1.self_attn.k_proj.weight"])
    for row in 0..<32 {
      let there = row / 8 * 8 + row % 8 / 2 + row % 2 * 4
      #expect(try read(query, (64 * row)..<(64 * row + 64)) == read(other, (64 * there)..<(64 * there + 64)))
    }
  }

  @Test func readsVersion2() throws {
    let file = try Llama2cFile(path: Fixtures.path("stories260K/stories260K-q8.bin"))
    #expect(file.version == 2 && file.isTied)
    let group = try #require(file.groupSize)
    let original = try Llama2cFile(path: Fixtures.path("stories260K/stories260K.bin"))
    #expect(file.dimensions == original.dimensions)
    #expect(Set(file.tensors.keys) == Set(original.tensors.keys))
    for tensor in file.tensors.values {
      let exact = try #require(original.tensors[tensor.name]).readAll()
      let values = try tensor.readAll()
      guard case .quantized(let name) = tensor.storage else {
        #expect(values == exact)
        continue
      }
      #expect(name == "int8-g\(group)")
      for start in stride(from: 0, to: exact.count, by: group) {
        let largest = exact[start..<(start + group)].map(abs).max() ?? 0
        #expect(zip(values[start..<(start + group)], exact[start...]).allSatisfy { abs($0 - $1) <= largest / 253 })
      }
    }
  }

  @Test func cutsAnyRangeOutOfGroups() throws {
    let file = try Llama2cFile(path: Fixtures.path("stories260K/stories260K-q8.bin"))
    let tensor = try #require(file.tensors["layers.3.feed_forward.w2.weight"])
    let whole = try tensor.readAll()
    for range in [0..<1, 1..<64, 63..<65, 64..<128, 100..<400, 11007..<11008, 5..<5] {
      #expect(try read(tensor, range) == Array(whole[range]))
    }
  }

  @Test(arguments: [true, false])
  func readsVersion0And1AsExported(isTied: Bool) throws {
    let model = Llama2cBuilder(isTied: isTied)
    for (version, data) in [(0, model.version0), (1, model.version1)] {
      let file = try open(data)
      #expect(file.version == version && file.isTied == isTied)
      #expect(file.tensors.count == (isTied ? 20 : 21))
      for (name, values) in model.values where isTied == false || name != "output.weight" {
        #expect(try file.tensors[name]?.readAll() == values, "\(name)")
      }
    }
  }

  @Test func readsAnUntiedVersion2() throws {
    let model = Llama2cBuilder(isTied: false)
    let file = try open(model.version2(groupSize: 4))
    #expect(file.version == 2 && file.groupSize == 4 && !file.isTied)
    for (name, values) in model.values where name.contains("norm") { #expect(try file.tensors[name]?.readAll() == values) }
    for (name, values) in model.values where !name.contains("norm") {
      #expect(
        try file.tensors[name]?.readAll() == values.indices.map { Float(Llama2cBuilder.code($0)) * Float($0 / 4 + 1) }, "\(name)")
    }
  }

  @Test func refusesEveryTruncation() throws {
    let model = Llama2cBuilder(isTied: false)
    for whole in [model.version0, model.version1, model.version2(groupSize: 4)] {
      for length in Array(0..<300) + [whole.count - 1] where length < whole.count {
        #expect(throws: LMToolError.self, "\(length)") { try open(Array(whole[0..<length])) }
      }
      expectRefusal("LLAMA2C-4") { _ = try open(whole + [0]) }
    }
  }

  /// The file with one of its integers changed.
  private func changed(_ file: [UInt8], at offset: Int, to value: Int32) -> [UInt8] {
    var file = file
    file.replaceSubrange(offset..<(offset + 4), with: bytes(value))
    return file
  }

  @Test(arguments: [0, 3, -1, .max] as [Int32])
  func refusesOtherVersions(version: Int32) {
    expectRefusal("LLAMA2C-1") { _ = try open(changed(Llama2cBuilder(isTied: true).version1, at: 4, to: version)) }
  }

  @Test func refusesANegativeVocabularyAfterTheMagic() {
    expectRefusal("LLAMA2C-1") { _ = try open(changed(Llama2cBuilder(isTied: true).version1, at: 28, to: -5)) }
  }

  @Test(arguments: 0..<7, [0, -1, .min] as [Int32])
  func refusesDimensionsThatAreNotPositive(field: Int, value: Int32) {
    guard field != 5 || value == 0 else { return }
    expectRefusal("LLAMA2C-2") { _ = try open(changed(Llama2cBuilder(isTied: true).version0, at: 4 * field, to: value)) }
  }

  @Test(arguments: [(3, 3), (3, 8), (4, 3), (4, 8)] as [(Int, Int32)])
  func refusesHeadsThatDoNotGoTogether(field: Int, value: Int32) {
    expectRefusal("LLAMA2C-3") { _ = try open(changed(Llama2cBuilder(isTied: true).version0, at: 4 * field, to: value)) }
  }

  @Test func refusesTooManyLayers() {
    expectRefusal("LLAMA2C-2") { _ = try open(changed(Llama2cBuilder(isTied: true).version0, at: 8, to: 4097)) }
  }

  @Test(arguments: [0, 1, 5, 6])
  func refusesDimensionsThatAskForMoreThanTheFile(field: Int) {
    expectRefusal("LLAMA2C-4") { _ = try open(changed(Llama2cBuilder(isTied: true).version0, at: 4 * field, to: 1 << 30)) }
  }

  @Test func refusesAllDimensionsAtTheirLargest() {
    let header = [Int32.max - 1, .max, 4096, 1, 1, .max, .max].flatMap { bytes($0) }
    expectRefusal("LLAMA2C-4") { _ = try open(header + [UInt8](repeating: 0, count: 1000)) }
  }

  @Test(arguments: [0, -4, .min] as [Int32])
  func refusesGroupSizesThatAreNotPositive(size: Int32) {
    expectRefusal("LLAMA2C-5") { _ = try open(changed(Llama2cBuilder(isTied: true).version2(groupSize: 4), at: 37, to: size)) }
  }

  @Test func refusesGroupSizesThatDoNotDivide() {
    expectRefusal("LLAMA2C-5") { _ = try open(changed(Llama2cBuilder(isTied: true).version2(groupSize: 4), at: 37, to: 7)) }
  }

  @Test func refusesATiedFlagThatIsNoFlag() {
    var file = Llama2cBuilder(isTied: true).version1
    file[36] = 2
    expectRefusal("LLAMA2C-6") { _ = try open(file) }
  }

  @Test(arguments: [-1, .nan, .infinity] as [Float])
  func refusesScalesThatAreNone(scale: Float) throws {
    var data = Llama2cBuilder(isTied: true).version2(groupSize: 4)
    data.replaceSubrange((data.count - 4)..., with: bytes([scale]))
    let tensor = try #require(try open(data).tensors["layers.1.feed_forward.w3.weight"])
    #expect(try read(tensor, 0..<8).count == 8)
    expectRefusal("LLAMA2C-7") { _ = try tensor.readAll() }
  }

  /// Every single-bit change of a header either opens or is refused, and what opens can be read or says why not.
  @Test func survivesEveryFlippedBit() throws {
    let model = Llama2cBuilder(isTied: false)
    for whole in [model.version0, model.version2(groupSize: 4)] {
      for bit in 0..<(41 * 8) {
        var damaged = whole
        damaged[bit / 8] ^= 1 << (bit % 8)
        guard let file = try? open(damaged) else { continue }
        for tensor in file.tensors.values { _ = try? tensor.readAll() }
      }
    }
  }
}
