import Inference
import Models
import Tensors
import Tokenizers

/// What a model is like of which no original is known: how well it knows texts, and whether it loops (CERT-16).
struct SelfReading {
  /// The fewest bits for each byte of a text.
  private(set) var best = Double.infinity
  /// What its continuations are like; their likelihood is left at 0.
  let speech: Certificate.Speech
  /// How many continuations there are.
  let answers: Int

  /// Tokens of a text and of a continuation.
  private static let tokens = 256, length = 64

  /// Reads the bundled texts, and goes on after the bundled prompts.
  ///
  /// - Throws: `badInput` when logits are not finite; `usage` when the tokenizer makes tokens that the model lacks.
  init(_ source: ModelSource, _ model: LoadedModel) throws(LMToolError) {
    let tokenizer = model.tokenizer, start = model.scoring.scoresFirst ? 0 : 1
    let most = min(Self.tokens, (source.spec.positionLimit ?? Int.max) - 1)
    for probe in CertificateProbe.bundled {
      let ids = Array(tokenizer.encode(probe.text, addSpecial: false).prefix(most))
      let bytes = ids.dropFirst(start).reduce(0) { $0 + tokenizer.bytes(of: $1).count }
      guard ids.count > start, bytes > 0 else { continue }
      best = min(best, try model.scoring.nats(ids, from: start) / ln2 / Double(bytes))
    }
    let format = ChatFormat(source, tokenizer), limit = source.spec.positionLimit ?? Int.max
    let prompts = CertificateProbe.prompts(for: source, tokenizer).map { format.tokens(asking: $0) }.filter {
      (1...min(limit, Certificate.Head.mostPrompt)).contains($0.count)
        && $0.allSatisfy { (0..<Int32(clamping: source.spec.vocabularySize)).contains($0) }
    }
    let sampling = Certificate.Sampling(length: Self.length, samples: 1, temperature: 0.8, topK: 40, seed: 1)
    let said = Continuations(model.transformer, prompts: prompts, ends: source.endTokens, sampling)
    speech = Certificate.Speech(said)
    answers = 2 * prompts.count
  }

  /// The verdict.
  var coherence: Coherence { Coherence(alone: speech, best: best, answers: max(1, answers)) }
}
