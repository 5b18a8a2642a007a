import Artifacts
import Inference
import Models
import Tensors
import Tokenizers

/// Holds what a record says against the model in the file, and against the original.
struct CertificateChecking {
  /// The record, nil when the file has none.
  let certificate: Certificate?
  /// Bytes of the record in the file.
  let bytes: Int

  /// Figures of one model on two machines, or threads, agree to this share, or to this much (CERT-13).
  static let tolerance = (share: 0.01, least: 0.0005)

  /// Reads the record of a file.
  ///
  /// - Throws: `badInput` when it is broken.
  init(_ artifact: Artifact) throws(LMToolError) {
    guard let name = artifact.manifest.certificate else {
      (certificate, bytes) = (nil, 0)
      return
    }
    let entry = artifact.manifest.blobs.first { $0.name == name }
    guard entry?.stream.raw ?? 0 <= Certificate.mostBytes else { throw Certificate.broken("it has too many bytes", 1) }
    bytes = entry?.stream.packed ?? 0
    certificate = try Certificate(encoded: try artifact.blob(name))
  }

  /// A record that is in no file.
  init(certificate: Certificate) {
    self.certificate = certificate
    bytes = 0
  }

  /// What the model in the file does, and what the record says that it does not do.
  func measure(
    _ source: ModelSource, _ model: LoadedModel, _ certificate: Certificate
  ) throws(LMToolError) -> (details: QualityDetails, contradictions: [String]) {
    let head = certificate.head
    try CertificateMeasuring.check(head, of: source, model.tokenizer)
    let measured = try CertificateMeasuring(model.scoring, certificate)
    let said = Continuations(model.transformer, prompts: head.prompts.map(\.ids), ends: source.endTokens, head.sampling)
    var speech = Certificate.Speech(said)
    speech.natsPerByte = head.speech.natsPerByte
    var found = Self.differences(head.figures, measured.figures) + Self.differences(head.speech, speech)
    let others = head.prompts.indices.count {
      head.prompts[$0].greedy != said.greedy[$0] || head.prompts[$0].samples != said.samples[$0]
    }
    if others > 0 { found.append("it goes on otherwise after \(others) of \(head.prompts.count) prompts") }
    return (QualityDetails(certificate, model.tokenizer, measured.divergences, said), found)
  }

  /// What the record says that the original at hand contradicts.
  func contradictions(
    _ source: ModelSource, against original: ModelSource, _ certificate: Certificate
  ) throws(LMToolError) -> [String] {
    let again = try CertificateMaking(original: original).again(source, like: certificate)
    let (head, other) = (certificate.head, again.head)
    var found = Self.differences(head.figures, other.figures) + Self.differences(head.speech, other.speech)
    found += Self.differences(head.originalSpeech, other.originalSpeech).map { "of the original, " + $0 }
    if head.original != other.original { found.append("it was made beside other weights than these") }
    if head.prompts.map(\.ids) != other.prompts.map(\.ids) { found.append("prompts are asked otherwise") }
    let answers = zip(head.prompts, other.prompts).count { $0.original != $1.original }
    if answers > 0 { found.append("the original answers \(answers) of \(head.prompts.count) prompts otherwise") }
    let others = zip(certificate.references, again.references).reduce(0) { sum, pair in
      sum + zip(pair.0, pair.1).count { $0 != $1 }
    }
    let all = certificate.references.reduce(0) { $0 + $1.count }
    if others * 100 > all { found.append("\(others) of \(all) references are not what the original says") }
    return found
  }

  private static func differences(_ stored: Certificate.Figures, _ found: Certificate.Figures) -> [String] {
    differences([
      ("bits per byte of the original", stored.bitsPerByteBefore, found.bitsPerByteBefore),
      ("bits per byte", stored.bitsPerByte, found.bitsPerByte),
      ("bits per byte of the original's best text", stored.bestBefore, found.bestBefore),
      ("bits per byte of the best text", stored.best, found.best), ("mean KL", stored.divergence, found.divergence),
      ("KL of 99 %", stored.divergence99, found.divergence99), ("top-1 agreement", stored.topAgreement, found.topAgreement),
      ("overlap", stored.overlap, found.overlap),
    ])
  }

  private static func differences(_ stored: Certificate.Speech, _ found: Certificate.Speech) -> [String] {
    differences([
      ("repetition", stored.repetition, found.repetition),
      ("repetition of greedy answers", stored.greedyRepetition, found.greedyRepetition),
      ("different pairs", stored.distinct, found.distinct), ("empty answers", Double(stored.empty), Double(found.empty)),
      ("nats per byte of what is said", stored.natsPerByte, found.natsPerByte),
    ])
  }

  private static func differences(_ figures: [(name: String, stored: Double, found: Double)]) -> [String] {
    figures.compactMap { figure in
      let distance = abs(figure.stored - figure.found)
      guard !(distance <= max(tolerance.least, tolerance.share * abs(figure.stored))) else { return nil }
      return "\(figure.name) is \(decimals(figure.found, 4)), not \(decimals(figure.stored, 4))"
    }
  }
}

/// A model that is ready to be read and asked.
struct LoadedModel {
  /// Its tokenizer.
  let tokenizer: Tokenizer
  /// Its weights.
  let transformer: Transformer
  /// What it expects of texts.
  let scoring: TextScoring

  /// Loads the weights of `source`.
  init(_ source: ModelSource, _ transformer: Transformer) throws(LMToolError) {
    tokenizer = try source.makeTokenizer()
    self.transformer = transformer
    scoring = TextScoring(transformer, tokenizer)
  }
}
