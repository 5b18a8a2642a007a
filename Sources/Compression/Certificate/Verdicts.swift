/// How near a file is to its original (CERT-12).
public enum FidelityGrade: String, Codable, Sendable, CaseIterable, Comparable {
  /// No difference to be seen.
  case a = "A"
  /// Hardly any.
  case b = "B"
  /// Some.
  case c = "C"
  /// Much.
  case d = "D"
  /// Another model.
  case e = "E"

  /// The grade of figures.
  init(_ figures: Certificate.Figures) {
    let limits: [(FidelityGrade, ratio: Double, nats: Double)] = [
      (.a, 1.01, 0.01), (.b, 1.03, 0.03), (.c, 1.08, 0.15), (.d, 1.20, 0.40),
    ]
    self = limits.first { figures.ratio <= $0.ratio && figures.divergence <= $0.nats }?.0 ?? .e
  }

  /// Whether `first` is better.
  public static func < (first: FidelityGrade, second: FidelityGrade) -> Bool { first.rawValue < second.rawValue }
}

/// Whether a model still makes sense (CERT-11).
public struct Coherence: Codable, Sendable, Equatable {
  /// What speaks against it; nothing where the model is coherent.
  public var reasons: [String]

  /// Whether the model makes sense.
  public var holds: Bool { reasons.isEmpty }

  /// Bits for each byte of some probe that a trained model stays below.
  static let mostBits = 1.1
  /// The share of runs of four tokens that no text which means something repeats.
  static let mostRepetition = 0.5

  /// Judges by the figures of a record.
  init(_ head: Certificate.Head) {
    let (before, after, figures) = (head.originalSpeech, head.speech, head.figures)
    reasons = []
    func demand(_ holds: Bool, _ reason: String) { if !holds { reasons.append(reason) } }
    demand(
      figures.bestBefore <= Self.mostBits,
      "the original itself needs \(hundredths(figures.bestBefore)) bits for each byte of the text that it knows best: it is not trained "
        + "enough, its tokenizer is not its own, or none of the texts is in its language")
    demand(before.repetition <= Self.mostRepetition, "the original itself repeats \(percent(before.repetition)) of what it says")
    demand(
      after.repetition <= min(1.25 * before.repetition + 0.05, max(Self.mostRepetition, before.repetition)),
      "it repeats \(percent(after.repetition)) of what it says, the original \(percent(before.repetition))")
    demand(
      after.greedyRepetition <= 1.25 * before.greedyRepetition + 0.25,
      "its likeliest answers repeat \(percent(after.greedyRepetition)) of themselves, the original's "
        + percent(before.greedyRepetition))
    demand(
      after.natsPerByte <= 1.6 * before.natsPerByte,
      "what it says is unlikely to the original: \(hundredths(after.natsPerByte)) nats for each byte, the original's own "
        + hundredths(before.natsPerByte))
    demand(after.empty <= before.empty, "\(after.empty) of its answers are empty, \(before.empty) of the original's")
  }
}

/// What a record says of a file.
public struct QualityReport: Codable, Sendable {
  /// How near the file is to its original on the texts.
  public var figures: Certificate.Figures
  /// What its continuations are like.
  public var speech: Certificate.Speech
  /// What the original's are like.
  public var originalSpeech: Certificate.Speech
  /// The verdict on sense.
  public var coherence: Coherence
  /// The verdict on likeness.
  public var fidelity: FidelityGrade
  /// Bytes of the record in the file.
  public var certificateBytes: Int

  /// What the record says.
  init(_ head: Certificate.Head, bytes: Int) {
    figures = head.figures
    speech = head.speech
    originalSpeech = head.originalSpeech
    coherence = Coherence(head)
    fidelity = FidelityGrade(head.figures)
    certificateBytes = bytes
  }
}

/// A number with two digits after the point.
func hundredths(_ value: Double) -> String {
  let all = Int((min(max(value, 0), 1e9) * 100).rounded())
  return "\(all / 100).\(all % 100 < 10 ? "0" : "")\(all % 100)"
}

/// A share in whole percent.
func percent(_ share: Double) -> String { "\(Int((min(max(share, 0), 1) * 100).rounded())) %" }
