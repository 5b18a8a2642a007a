import Inference
import Kernels
import Models
import Tensors
import Tokenizers

/// What the model in a file makes of the texts of a record, and how it goes on after its prompts.
struct CertificateMeasuring {
  /// How near it is to the original (CERT-9).
  let figures: Certificate.Figures
  /// KL at each reference of each probe, in nats.
  let divergences: [[Double]]

  /// What one token contributes.
  fileprivate struct Place {
    var nats = 0.0
    var divergence = 0.0
    var overlap = 0.0
    var agrees = false
  }

  /// Refuses a record that is not of the model in the file (CERT-8).
  ///
  /// - Throws: `badInput` when texts do not become the tokens of the record.
  static func check(_ head: Certificate.Head, of source: ModelSource, _ tokenizer: Tokenizer) throws(LMToolError) {
    guard source.spec.vocabularySize == head.vocabulary else {
      throw Certificate.broken("it is of \(head.vocabulary) tokens, the model has \(source.spec.vocabularySize)", 8)
    }
    for probe in head.probes {
      guard tokenizer.encode(probe.text, addSpecial: false) == probe.ids else {
        throw Certificate.broken(
          "the tokenizer of the file does not make of the text \(probe.name.printable) the tokens that the record has", 8)
      }
      let bytes = tokenizer.bytes(of: probe.ids, from: probe.start, text: probe.text)
      guard probe.bytes == bytes else {
        throw Certificate.broken(
          "the scored tokens of the text \(probe.name.printable) stand for \(bytes) bytes, not \(probe.bytes)", 8)
      }
    }
  }

  /// Measures the model that `scoring` runs by the probes of a record, of which what was measured before is not used.
  init(_ scoring: TextScoring, _ certificate: Certificate) throws(LMToolError) {
    var compared: [[Place]] = [], nats: [Double] = []
    for (probe, references) in zip(certificate.head.probes, certificate.references) {
      guard scoring.scoresFirst || probe.start > 0 else {
        throw Certificate.broken("a probe begins where nothing is expected", 8)
      }
      let all = try Self.places(scoring, probe, references)
      nats.append(all.reduce(0) { $0 + $1.nats })
      compared.append(probe.positions.map { all[$0] })
    }
    figures = Self.figures(certificate.head.probes, nats, compared.flatMap { $0 })
    divergences = compared.map { $0.map(\.divergence) }
  }

  private static func figures(_ probes: [Certificate.Probe], _ nats: [Double], _ compared: [Place]) -> Certificate.Figures {
    func bits(_ nats: Double, _ bytes: Int) -> Double { nats / ln2 / Double(max(1, bytes)) }
    let bytes = probes.reduce(0) { $0 + $1.bytes }, count = Double(max(1, compared.count))
    let divergences = compared.map(\.divergence).sorted()
    return Certificate.Figures(
      bitsPerByteBefore: bits(probes.reduce(0) { $0 + $1.nats }, bytes), bitsPerByte: bits(nats.reduce(0, +), bytes),
      bestBefore: probes.map { bits($0.nats, $0.bytes) }.min() ?? 0,
      best: zip(probes, nats).map { bits($1, $0.bytes) }.min() ?? 0,
      divergence: divergences.reduce(0, +) / count,
      divergence99: divergences.isEmpty ? 0 : divergences[divergences.count * 99 / 100],
      topAgreement: Double(compared.count { $0.agrees }) / count, overlap: compared.reduce(0) { $0 + $1.overlap } / count)
  }

  private static func places(
    _ scoring: TextScoring, _ probe: Certificate.Probe, _ references: [Certificate.Reference]
  ) throws(LMToolError) -> [Place] {
    var places = [Place](repeating: Place(), count: probe.ids.count)
    let numbers = Dictionary(uniqueKeysWithValues: zip(probe.positions, references.indices)), ids = probe.ids
    try places.withUnsafeMutableBufferPointer { (places) throws(LMToolError) in
      nonisolated(unsafe) let places = places
      try scoring.forEachToken(ids, from: probe.start) { expected in
        var place = Place(nats: expected.logSum - Double(expected.logits[Int(ids[expected.index])]))
        if let number = numbers[expected.index] { place.compare(references[number], with: expected) }
        places[expected.index] = place
      }
    }
    return places
  }
}

extension CertificateMeasuring.Place {
  /// Compares a distribution with what the original expects: token by token where that is known, all others as one (CERT-9).
  fileprivate mutating func compare(_ reference: Certificate.Reference, with expected: TextScoring.Expectation) {
    let (probabilities, tail) = reference.probabilities
    var rest = 1.0, sum = 0.0
    for (id, probability) in zip(reference.ids, probabilities) {
      let logarithm = Double(expected.logits[Int(id)]) - expected.logSum, own = naturalExponential(logarithm)
      if probability > 0 { sum += probability * (naturalLogarithm(probability) - logarithm) }
      overlap += min(probability, own)
      rest -= own
    }
    rest = max(rest, 1e-9)
    if tail > 1e-9 { sum += tail * (naturalLogarithm(tail) - naturalLogarithm(rest)) }
    overlap += min(tail, rest)
    divergence = max(0, sum)
    agrees = reference.ids.first.map { expected.logits[Int($0)] >= expected.highest } ?? false
  }
}

extension Tokenizer {
  /// Bytes of a text that its tokens from `start` on stand for (CERT-8); at least 1.
  func bytes(of ids: [Int32], from start: Int, text: String) -> Int {
    max(1, start == 0 ? text.utf8.count : ids[start...].reduce(0) { $0 + bytes(of: $1).count })
  }
}

extension Certificate.Speech {
  /// What continuations are like, but for their likelihood.
  init(_ continuations: Continuations) {
    let samples = continuations.samples.flatMap { $0 }
    self.init(
      repetition: Repetition.share(of: samples), greedyRepetition: Repetition.share(of: continuations.greedy),
      distinct: Repetition.distinct(samples), empty: (samples + continuations.greedy).count(where: \.isEmpty), natsPerByte: 0)
  }
}
