import Artifacts
import Kernels
import Models
import Tensors
import TestSupport
import Testing
import Training

/// The way back for its own sake: squared gradients of what matrices give.
struct GradientPassTests {
  private static let tokens: [Int32] = (0..<48).map { Int32(3 + $0 * 7 % 45) }

  private static func sums(_ family: String) throws -> [String: OutputGradients] {
    let source = try ModelSource.open(Fixtures.path("gradients/\(family)"))
    var found: [String: OutputGradients] = [:]
    try GradientPass(source, tokens: tokens, window: 12).run { (tensor, gradients) throws(LMToolError) in
      #expect(gradients.outputs == tensor.shape[0] && gradients.tokens == 48)
      found[tensor.name] = gradients
    }
    let matrices = source.spec.layers.flatMap(\.tensors).filter { $0.shape.count == 2 }.map(\.name)
    #expect(Set(found.keys) == Set(matrices))
    return found
  }

  @Test(arguments: ["llama", "gemma2", "gpt2", "opt_post", "cohere"]) func matricesOfEveryFamilyAreSeen(family: String) throws {
    for (name, gradients) in try Self.sums(family) {
      let count = gradients.outputs
      #expect(gradients.meanSquare.isFinite && gradients.meanSquare > 0, "\(name)")
      let moment = try #require(gradients.relativeMoments(floor: 0.25)?.first)
      #expect((0..<count * count).allSatisfy { moment[$0] == moment[$0 % count * count + $0 / count] })
      let diagonal = (0..<count).map { moment[$0 * (count + 1)] }
      #expect(diagonal.allSatisfy { $0 >= 0.25 } && abs(diagonal.reduce(0, +) / Float(count) - 1) < 1e-4)
    }
  }

  @Test func threadsDoNotChangeABit() throws {
    defer { ThreadPool.configure(threads: ThreadPool.availableCores) }
    let found = try (1...3).map { threads in
      ThreadPool.configure(threads: threads)
      return try Self.sums("llama").mapValues(\.sums)
    }
    #expect(found[0] == found[1] && found[1] == found[2])
  }
}
