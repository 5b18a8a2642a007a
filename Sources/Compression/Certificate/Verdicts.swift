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
  public var reasons: [String] = []

  /// Whether the model makes sense.
  public var holds: Bool { reasons.isEmpty }

  /// Bits for each byte of some text that a trained model stays below, and a model that was made from one.
  static let mostBits = 1.1, mostBitsLeft = 1.5
  /// The share of runs of four tokens that no text which means something repeats.
  static let mostRepetition = 0.5
  /// Nats that what a file says may be less likely to the original, for each byte, than what that says itself.
  static let mostNats = 0.35

  /// Judges by the figures of a record.
  init(_ head: Certificate.Head) {
    let (before, after, figures) = (head.originalSpeech, head.speech, head.figures)
    demand(
      figures.bestBefore <= Self.mostBits,
      "the original itself needs \(decimals(figures.bestBefore, 2)) bits for each byte of the text that it knows best: "
        + Self.untrained)
    demand(
      figures.best <= Self.mostBitsLeft, "it needs \(decimals(figures.best, 2)) bits for each byte of the text that it knows best"
    )
    demand(before.repetition <= Self.mostRepetition, "the original itself repeats \(percent(before.repetition)) of what it says")
    demand(
      after.repetition <= min(1.25 * before.repetition + 0.1, max(Self.mostRepetition, before.repetition)),
      "it repeats \(percent(after.repetition)) of what it says, the original \(percent(before.repetition))")
    demand(
      after.greedyRepetition <= 1.25 * before.greedyRepetition + 0.5,
      "its likeliest answers repeat \(percent(after.greedyRepetition)) of themselves, the original's "
        + percent(before.greedyRepetition))
    demand(
      after.natsPerByte <= before.natsPerByte + Self.mostNats,
      "what it says is unlikely to the original: \(decimals(after.natsPerByte, 2)) nats for each byte, the original's own "
        + decimals(before.natsPerByte, 2))
    demand(after.empty <= before.empty, "\(after.empty) of its answers are empty, \(before.empty) of the original's")
  }

  /// Judges a model of which no original is known (CERT-16).
  ///
  /// - Parameters:
  ///   - best: the fewest bits for each byte of a text.
  ///   - answers: how many there are, `speech.empty` of them without a token.
  init(alone speech: Certificate.Speech, best: Double, answers: Int) {
    demand(
      best <= Self.mostBits,
      "it needs \(decimals(best, 2)) bits for each byte of the text that it knows best: " + Self.untrained)
    demand(speech.repetition <= Self.mostRepetition, "it repeats \(percent(speech.repetition)) of what it says")
    demand(speech.empty < answers, "all of its answers are empty")
  }

  private static let untrained = "it is not trained enough, its tokenizer is not its own, or none of the texts is in its language"

  private mutating func demand(_ holds: Bool, _ reason: String) { if !holds { reasons.append(reason) } }
}

/// A number that is not negative with so many digits after the point.
func decimals(_ value: Double, _ digits: Int) -> String {
  guard value.isFinite else { return "no number" }
  let unit = (0..<digits).reduce(1) { power, _ in 10 * power }, all = Int((min(max(value, 0), 1e9) * Double(unit)).rounded())
  let fraction = String(all % unit)
  return "\(all / unit)." + String(repeating: "0", count: digits - fraction.count) + fraction
}

/// A share in whole percent.
func percent(_ share: Double) -> String { share.isFinite ? "\(Int((min(max(share, 0), 1) * 100).rounded())) %" : "no number" }
