import Inference
import Kernels
import Models
import OrderedCollections
import Quantization
import Tensors
import TestSupport
import Testing

/// A model all of whose matrices are whole numbers with steps.
struct RateModelTests {
  private static let ids: [Int32] = [1, 403, 407, 261, 378, 432, 383, 285, 401, 300]

  /// The story teller in about four bits, with some numbers of three digits; no two matrices share their column steps unless
  /// `areShared`.
  private static func source(areShared: Bool = false) throws -> ModelSource {
    var source = try ModelSource.open(safetensors: stories)
    for (index, tensor) in source.tensors.values.enumerated() where tensor.shape.count == 2 {
      let rows = tensor.shape[0], columns = tensor.shape[1], floats = try tensor.readAll()
      var noise = Noise(areShared ? 0 : UInt64(index))
      let largest = floats.reduce(0) { max($0, $1.magnitude) }
      var columnSteps = (0..<columns).map { _ in 1 + 0.5 * noise.float() }
      columnSteps[columns / 2] = 1.0 / 128
      let rowSteps = (0..<rows).map { Float($0 % 3 + 1) * largest / 30 }
      let values = floats.indices.map {
        Int16((floats[$0] / (rowSteps[$0 / columns] * columnSteps[$0 % columns])).rounded())
      }
      source.tensors[tensor.name] = WholeTensor(
        name: tensor.name, shape: tensor.shape, steps: RateSteps(rows: rowSteps, columns: columnSteps), values: values)
    }
    return source
  }

  private static func logits(_ source: ModelSource, _ arithmetic: Arithmetic) throws -> Logits {
    try Session(try Transformer(source, arithmetic: arithmetic), capacity: ids.count).forward(ids, logits: .all)
  }

  @Test(arguments: [false, true]) func integersComputeWhatFloatsDo(areShared: Bool) throws {
    let source = try Self.source(areShared: areShared)
    let fast = Array(try Self.logits(source, .integer)), exact = Array(try Self.logits(source, .float))
    let squares = zip(fast, exact).reduce(into: (error: Float(0), value: Float(0))) { sums, pair in
      sums.error += (pair.0 - pair.1) * (pair.0 - pair.1)
      sums.value += pair.1 * pair.1
    }
    let distance = (squares.error / squares.value).squareRoot()
    #expect(distance > 0 && distance < 0.02, "\(distance)")
  }

  @Test func embeddingsAreExact() throws {
    let source = try Self.source(), tensor = try source.tensor(source.spec.embedding)
    let whole = try WeightMatrix.load(tensor, .integer), floats = try WeightMatrix.load(tensor, .float)
    var pair = [[Float]](repeating: [Float](repeating: .nan, count: whole.inputs), count: 2)
    for row in 0..<whole.outputs {
      whole.row(row, into: &pair[0])
      floats.row(row, into: &pair[1])
      #expect(pair[0] == pair[1])
    }
  }

  @Test func oneByOneEqualsAllAtOnce() throws {
    let model = try Transformer(try Self.source()), session = Session(model, capacity: Self.ids.count)
    for id in Self.ids.dropLast() { try session.forward([id], logits: .none) }
    let last = Array(try session.forward(Self.ids.suffix(1)))
    #expect(last == Array(try Session(model, capacity: Self.ids.count).forward(Self.ids)))
  }

  /// Threads and instruction set belong to the process, so each combination has one of its own.
  @Test func threadsAndInstructionSetsDoNotChangeABit() async throws {
    let expected = Digest.hex(bits(of: try Self.logits(try Self.source(), .integer)))
    for isa in InstructionSet.allCases where isa.isAvailable {
      for threads in 1...3 where threads == 2 || isa == .reference {
        await #expect(processExitsWith: .success) {
          [isa = isa.rawValue as Int, threads = threads as Int, expected = expected as String] in
          try #require(InstructionSet(rawValue: isa)?.force() == true)
          ThreadPool.configure(threads: threads)
          try #require(Digest.hex(bits(of: try Self.logits(try Self.source(), .integer))) == expected)
        }
      }
    }
  }
}
