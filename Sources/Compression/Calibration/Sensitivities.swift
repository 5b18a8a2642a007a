import Inference
import Kernels
import Models
import Tensors

/// How much the loss of the whole model moves when the outputs of a matrix do: mean squared gradients, measured end to end. With noise
/// of variance v on each of n outputs, KL(original ‖ disturbed) is about n · v · sensitivity / 2 nats a token.
package struct Sensitivities: Sendable, Equatable {
  /// Of each matrix, by tensor name: for an element of its output.
  package var matrices: [String: Double] = [:]
  /// For an element of the embedding of an input token.
  package var embedding = 0.0
  /// For a logit, by token: the mean of p (1 - p).
  package var logits: [Float] = []

  /// Of nothing yet.
  package init() {}
}

/// Measures sensitivities: adds noise, as large as quantization would make it, to the outputs of one matrix at a time, and compares what
/// the model says with what it says without.
///
/// All disturbed copies pass a layer before any sees the next: a layer is read once, and only the copies are held.
package final class SensitivityProbe {
  /// One copy of the residual stream, disturbed somewhere.
  private struct Copy {
    /// Where, by tensor name.
    var name: String
    /// Variance of the noise, and elements of an output.
    var variance: Double
    var outputs: Int
    var residual: [Float]
  }

  private let source: ModelSource
  private let windows: TokenWindows
  private let width: Int
  private var intact: [Float]
  private var copies: [Copy] = []
  private let embedding: [Float]

  /// The relative variance of the noise on embeddings: about that of 2 bits a weight.
  private static let embeddingNoise = 0.05

  /// A probe over `windows`, a few hundred tokens.
  package init(_ source: ModelSource, windows: TokenWindows) throws(LMToolError) {
    self.source = source
    self.windows = windows
    width = source.spec.width
    embedding = try LayerMatrices.floats(source.spec.embedding, of: source)
    var rows = [Float](repeating: 0, count: windows.tokens.count * width)
    try EmbeddingRunner(source).run(windows.tokens, table: embedding, window: windows.length, into: &rows)
    intact = rows
    let square = intact.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(max(1, intact.count))
    let variance = max(square, 1e-30) * Self.embeddingNoise
    var disturbed = intact
    Self.disturb(&disturbed, variance: variance, seed: 0)
    copies = [Copy(name: "", variance: variance, outputs: width, residual: disturbed)]
  }

  /// The sensitivities, given the variance of the noise for each matrix.
  package func measure(variances: [String: Double], progress: ProgressConsumer? = nil) throws(LMToolError) -> Sensitivities {
    let layers = source.spec.layers
    for (index, spec) in layers.enumerated() {
      let matrices = try LayerMatrices(spec, of: source)
      let pass = DisturbedLayer(matrices, windows: windows)
      for at in copies.indices { pass.run(&copies[at].residual, disturbing: nil, variance: 0, seed: 0) }
      for (number, linear) in MatrixGroup.groups(of: spec, layer: index).flatMap(\.linears).enumerated() {
        let variance = variances[linear.weight.name] ?? 0
        var residual = intact
        pass.run(&residual, disturbing: linear, variance: variance, seed: UInt64(1 + index * 16 + number))
        copies.append(Copy(name: linear.weight.name, variance: variance, outputs: linear.outputs, residual: residual))
      }
      pass.run(&intact, disturbing: nil, variance: 0, seed: 0)
      progress?(ProgressUpdate(stage: "sensitivities", done: index + 1, total: layers.count + 1, unit: .passes))
    }
    let result = try compare()
    progress?(ProgressUpdate(stage: "sensitivities", done: layers.count + 1, total: layers.count + 1, unit: .passes))
    return result
  }

  /// Adds uniform noise of a variance.
  static func disturb(_ x: inout [Float], variance: Double, seed: UInt64) {
    var random = Random(seed: seed)
    let range = Float((12 * variance).squareRoot())
    for index in x.indices { x[index] += (Float(random.unit()) - 0.5) * range }
  }

  /// Compares the logits of every copy with those of the intact stream.
  private func compare() throws(LMToolError) -> Sensitivities {
    let spec = source.spec, vocabulary = spec.vocabularySize
    let logits = LogitsOfResiduals(spec, head: try HeadRunner(source, embedding: embedding))
    var divergences = [Double](repeating: 0, count: copies.count)
    var variances = [Double](repeating: 0, count: vocabulary)
    let batch = 64, tokens = windows.tokens.count
    for start in stride(from: 0, to: tokens, by: batch) {
      let rows = start..<min(start + batch, tokens)
      let reference = logits.compute(intact, rows: rows)
      reference.addVariances(to: &variances)
      for index in copies.indices {
        divergences[index] += reference.divergence(from: logits.compute(copies[index].residual, rows: rows))
      }
    }
    var result = Sensitivities()
    result.logits = variances.map { Float($0 / Double(max(1, tokens))) }
    for (copy, divergence) in zip(copies, divergences) {
      let strength = 2 * divergence / Double(max(1, tokens)) / (copy.variance * Double(copy.outputs))
      let finite = strength.isFinite ? max(strength, 1e-30) : 1e-30
      // What enters the stream is the embedding times a factor.
      let factor = Double(spec.embeddingScale)
      if copy.name.isEmpty { result.embedding = finite * factor * factor } else { result.matrices[copy.name] = finite }
    }
    return result
  }
}
