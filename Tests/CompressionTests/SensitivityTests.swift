import Artifacts
import Compression
import Inference
import Kernels
import Models
import Tensors
import TestSupport
import Testing
import Training

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// How much the loss moves when the outputs of a matrix do, measured on the little story teller.
struct SensitivityTests {
  private static func measure(_ variance: (LinearSpec) -> Double) throws -> Sensitivities {
    let source = try ModelSource.open(stories)
    let linears = source.spec.layers.flatMap { MatrixGroup.groups(of: $0, layer: 0).flatMap(\.linears) }
    let variances = Dictionary(uniqueKeysWithValues: linears.map { ($0.weight.name, variance($0)) })
    return try SensitivityProbe(source, windows: try storyWindows(4, length: 64)).measure(variances: variances)
  }

  /// Variances of noise that moves each output as much: about 0.01 nats.
  private static func balanced(_ sensitivities: Sensitivities) -> (LinearSpec) -> Double {
    { 0.02 / Double($0.outputs) / (sensitivities.matrices[$0.weight.name] ?? 1) }
  }

  /// KL is proportional to the variance, so that sensitivities hardly depend on it.
  @Test func halfTheNoiseIsHalfTheLoss() throws {
    let rough = try Self.measure { _ in 1e-4 }, variance = Self.balanced(rough)
    let whole = try Self.measure(variance), half = try Self.measure { variance($0) / 2 }
    #expect(whole.matrices.count == 35 && whole.embedding > 0)
    for (name, strength) in whole.matrices {
      let ratio = (half.matrices[name] ?? 0) / strength
      #expect(strength > 1e-4 && ratio > 0.85 && ratio < 1.15, "\(name): \(strength), ratio \(ratio)")
    }
    // What is not disturbed has next to no sensitivity, and is no division by zero.
    let none = try Self.measure { _ in 0 }
    #expect(none.matrices.values.allSatisfy { $0 > 0 && $0 < 1e-20 } && none.embedding == whole.embedding)
    #expect(none.logits == whole.logits)
  }

  /// What the last matrix adds to the residual stream goes through the head alone: other noise, put there by hand, costs as much.
  @Test func theLastMatrixIsAsSensitiveAsTheResidualStream() throws {
    let source = try ModelSource.open(stories), windows = try storyWindows(4, length: 64)
    let pass = try LayerwisePass(source, windows: windows, embedding: try LayerMatrices.floats(source.spec.embedding, of: source))
    try pass.run(Bystander())
    let intact = Array(UnsafeBufferPointer(start: pass.path.residual, count: 256 * 64)), variance = 1e-3
    var noise = Noise(77)
    let disturbed = intact.map { $0 + noise.float() * Float((3 * variance).squareRoot()) }
    let before = try residualLogits(source, intact, 0..<256), after = try residualLogits(source, disturbed, 0..<256)
    var divergence = 0.0, spreads = [Double](repeating: 0, count: 512)
    for token in 0..<256 {
      let p = Self.logProbabilities(before, token), q = Self.logProbabilities(after, token)
      divergence += zip(p, q).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) } / 256
      for (id, p) in p.enumerated() { spreads[id] += exp(p) * (1 - exp(p)) / 256 }
    }
    let measured = try Self.measure { _ in variance }
    let strength = try #require(measured.matrices["model.layers.4.mlp.down_proj.weight"])
    let expected = 2 * divergence / variance / 64
    #expect(strength / expected > 0.75 && strength / expected < 1.33, "\(strength), \(expected)")
    #expect(zip(measured.logits, spreads).allSatisfy { abs(Double($0) - $1) < 1e-5 })
  }

  /// The mean squared gradient of an output says what noise on the outputs does: two ways to the Fisher information.
  @Test func gradientsSayWhatNoiseDoes() throws {
    let source = try ModelSource.open(stories), windows = try storyWindows(16, length: 64)
    var gradients: [String: Double] = [:]
    try GradientPass(source, tokens: windows.tokens, window: 64).run { (tensor, found) throws(LMToolError) in
      gradients[tensor.name] = found.meanSquare
    }
    let rough = try Self.measure { _ in 1e-4 }, measured = try Self.measure(Self.balanced(rough))
    #expect(gradients.count == 35)
    let ratios = measured.matrices.map { (gradients[$0.key] ?? 0) / $0.value }.sorted()
    #expect(ratios[0] > 0.5 && ratios[34] < 2 && ratios[17] > 0.85 && ratios[17] < 1.2, "\(ratios)")
  }

  private static func logProbabilities(_ logits: [Float], _ token: Int) -> [Double] {
    let row = logits[token * 512..<token * 512 + 512].map(Double.init)
    let sum = log(row.reduce(0) { $0 + exp($1) })
    return row.map { $0 - sum }
  }

  @Test func threadsDoNotChangeABit() throws {
    defer { ThreadPool.configure(threads: ThreadPool.availableCores) }
    let measured = try (1...2).map { threads in
      ThreadPool.configure(threads: threads)
      return try Self.measure { _ in 1e-3 }
    }
    #expect(measured[0] == measured[1] && measured[0].logits.count == 512)
  }
}

/// Looks at nothing.
private final class Bystander: LayerwiseVisitor {
  func wantsMoments(of group: MatrixGroup) -> Bool { false }
  func visit(_ group: MatrixGroup, moments: Moments?, matrices: inout LayerMatrices) throws(LMToolError) {}
}
