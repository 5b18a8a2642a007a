import Models
import Tensors
import TestSupport
import Testing
import Tokenizers

/// One model in five files: the same tensors, whatever the container.
struct FixtureModelTests {
  private func reference() throws -> ModelSource { try ModelSource.open(safetensors: stories) }

  private func bits(_ source: ModelSource, _ spec: TensorSpec) throws -> [UInt32] {
    try source.tensor(spec).readAll().map(\.bitPattern)
  }

  private func expectSameModel(_ source: ModelSource) throws {
    let reference = try reference()
    #expect(source.spec == reference.spec)
    #expect(source.parameterCount == 260_032)
    for spec in reference.spec.tensors { #expect(try bits(source, spec) == bits(reference, spec), "\(spec.name)") }
  }

  @Test func ggufHoldsTheSameTensors() throws {
    let source = try ModelSource.open(gguf: Fixtures.path("stories260K/stories260K-f32.gguf"))
    #expect(source.format == "GGUF v3")
    try expectSameModel(source)
  }

  @Test func llama2cHoldsTheSameTensors() throws {
    let source = try ModelSource.open(llama2c: Fixtures.path("stories260K/stories260K.bin"))
    #expect(source.format == "llama2.c v0")
    try expectSameModel(source)
  }

  @Test func llama2cInEightBitsIsClose() throws {
    let source = try ModelSource.open(llama2c: Fixtures.path("stories260K/stories260K-q8.bin"))
    let reference = try reference()
    #expect(source.format == "llama2.c v2")
    #expect(source.spec == reference.spec)
    for spec in reference.spec.tensors {
      let exact = try reference.tensor(spec).readAll(), close = try source.tensor(spec).readAll()
      let most = exact.map(abs).max() ?? 0
      let difference = zip(exact, close).map { abs($0 - $1) }.max() ?? .infinity
      #expect(difference <= most / 254, "half a step of the largest group: \(spec.name)")
    }
  }

  @Test func everyFormHasTheSameTokenizerAndEnd() throws {
    let sources = [
      try reference(), try .open(gguf: Fixtures.path("stories260K/stories260K-f32.gguf")),
      try .open(llama2c: Fixtures.path("stories260K/stories260K.bin")),
    ]
    // Without runs of spaces: only tokenizer.model says that they become one.
    let text = "Once upon a time, Zoë 😀\nsaid hello."
    let expected = try sources[0].makeTokenizer().encode(text)
    for source in sources {
      #expect(try source.makeTokenizer().encode(text) == expected, "\(source.format)")
      #expect(source.endTokens == [2], "\(source.format)")
    }
  }

  @Test func reorderedTensorsReadInAnyPieces() throws {
    let source = try ModelSource.open(llama2c: Fixtures.path("stories260K/stories260K.bin"))
    let query = try source.tensor(source.spec.layers[2].attention.query.weight)
    let whole = try query.readAll()
    for range in [0..<1, 63..<65, 100..<1000, 4095..<4096, 7..<7] {
      var piece = [Float](repeating: .nan, count: range.count)
      try piece.withUnsafeMutableBufferPointer { try query.read(range, into: $0) }
      #expect(piece == Array(whole[range]))
    }
  }
}
