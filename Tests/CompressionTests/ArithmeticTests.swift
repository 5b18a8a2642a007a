import Artifacts
import Compression
import Inference
import Kernels
import Models
import Quantization
import TestSupport
import Testing

/// What models of integers compute when activations are integers too.
struct ArithmeticTests {
  let scratch = TestFolder()

  private static let schemes = ["int8-g32", "int8-row", "int8-g64-min", "int4-g32", "int4-g128", "int4-g32-min", "int4-row-min"]

  private func quantized(_ name: String) throws -> ModelSource {
    let scheme = try #require(GridScheme(name: name))
    try Quantizing.run(
      try ModelSource.open(stories), recipe: QuantizationRecipe(scheme: scheme, embeddingScheme: scheme),
      to: scratch.path(name))
    return try ModelSource.open(scratch.path(name))
  }

  @Test(arguments: schemes) func activationsOfEightBitsCostLittle(name: String) throws {
    let source = try quantized(name), ids: [Int32] = [1, 403, 407, 261, 378]
    let fast = Array(try Session(try Transformer(source), capacity: ids.count).forward(ids, logits: .all))
    let distance = difference(fast, try logits(source, ids))
    #expect(distance > 0 && distance < 0.02, "\(distance)")
  }

  @Test(arguments: schemes) func oneByOneEqualsAllAtOnceWithAnyNumberOfThreads(name: String) throws {
    let model = try Transformer(try quantized(name)), ids = (0..<150).map { Int32(3 + $0 * 37 % 500) }
    let session = Session(model, capacity: ids.count, cache: .f16)
    for id in ids.dropLast() { try session.forward([id], logits: .none) }
    let last = Array(try session.forward([ids[149]]))
    defer { ThreadPool.configure(threads: ThreadPool.availableCores) }
    for threads in [1, 3, ThreadPool.availableCores] {
      ThreadPool.configure(threads: threads)
      #expect(Array(try Session(model, capacity: ids.count, cache: .f16).forward(ids)) == last, "\(threads) threads")
    }
  }
}
