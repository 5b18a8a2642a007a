import Compression
import Testing

/// The steps of the rows of an embedding: finer for tokens that matter more, within limits.
struct EmbeddingStepsTests {
  /// As many tokens as logits; the inputs of the head have deviations of 1 and 2.
  private func steps(
    logits: [Float], frequencies: [Double], embedding: Double = 0.1, isHead: Bool = true, isInput: Bool = true
  ) -> [Double] {
    var sensitivities = Sensitivities()
    (sensitivities.logits, sensitivities.embedding) = (logits, embedding)
    return EmbeddingPart.steps(
      sensitivities, frequencies: frequencies, deviations: [1, 2], isHead: isHead, isInput: isInput)
  }

  @Test func tokensAlikeHaveTheSameStep() {
    let found = steps(logits: [0.02, 0.02, 0.02, 0.02], frequencies: [0.25, 0.25, 0.25, 0.25])
    // As an output 0.02; as an input a quarter of 0.1 · (1/4 + 1/4), beside a mean square of 2.5.
    let expected = 1 / (0.02 + 0.25 * 0.1 * 0.5 / 2.5).squareRoot()
    #expect(found.count == 4 && found.allSatisfy { abs($0 / expected - 1) < 1e-6 }, "\(found), \(expected)")
  }

  @Test func frequentTokensHaveFinerSteps() {
    let byOutput = steps(logits: [0.2, 0.1, 0.01, 0], frequencies: [0, 0, 0, 0])
    let byInput = steps(logits: [0, 0, 0, 0], frequencies: [0.7, 0.2, 0.1, 0])
    for found in [byOutput, byInput] {
      #expect(zip(found, found.dropFirst()).allSatisfy { $0 < $1 }, "\(found)")
      #expect(found.allSatisfy { $0 > 0 && $0.isFinite })
    }
    // Rows that are never said or read keep most of the weight of the mean.
    #expect(byOutput[3] / byOutput[0] < 3)
  }

  @Test func noTokenCountsMoreThanFiftyTimesTheMean() {
    var logits = [Float](repeating: 0, count: 1000)
    logits[0] = 0.2
    let mean = 0.2 / 1000, found = steps(logits: logits, frequencies: [Double](repeating: 0, count: 1000), isInput: false)
    #expect(abs(found[0] * found[0] * (0.25 * 50 + 0.75) * mean - 1) < 1e-5)
    #expect(abs(found[1] * found[1] * 0.75 * mean - 1) < 1e-5)
  }

  @Test func headAndInputCountByThemselves() {
    let logits: [Float] = [0.2, 0.1], frequencies = [0.1, 0.9]
    let head = steps(logits: logits, frequencies: frequencies, isInput: false)
    let input = steps(logits: logits, frequencies: frequencies, isHead: false)
    let both = steps(logits: logits, frequencies: frequencies)
    #expect(head[0] < head[1] && input[0] > input[1])
    for token in 0...1 {
      let sum = 1 / (head[token] * head[token]) + 1 / (input[token] * input[token])
      #expect(abs(both[token] * both[token] * sum - 1) < 1e-9)
    }
    // Four times as sensitive is half the step.
    let fourfold = steps(logits: [0.8, 0.4], frequencies: frequencies, embedding: 0.4)
    #expect(zip(fourfold, both).allSatisfy { abs($0 / $1 - 0.5) < 1e-6 })
    #expect(steps(logits: [0, 0], frequencies: [0, 0], embedding: 0).allSatisfy { $0 > 0 && $0.isFinite })
    #expect(steps(logits: [], frequencies: []).isEmpty)
  }
}
