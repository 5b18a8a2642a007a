import Artifacts
import Models
import Tensors

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

  /// What the record says that the model in the file does not do.
  func contradictions(_ source: ModelSource, _ certificate: Certificate) throws(LMToolError) -> [String] {
    let measured = try CertificateMeasuring(source, certificate), head = certificate.head
    var found = Self.differences(head.figures, measured.figures)
    var speech = measured.speech
    speech.natsPerByte = head.speech.natsPerByte
    found += Self.differences(head.speech, speech)
    let (greedy, samples) = (measured.continuations.greedy, measured.continuations.samples)
    let others = head.prompts.indices.count { head.prompts[$0].greedy != greedy[$0] || head.prompts[$0].samples != samples[$0] }
    if others > 0 { found.append("it goes on otherwise after \(others) of \(head.prompts.count) prompts") }
    return found
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
      ("bits per byte", stored.bitsPerByte, found.bitsPerByte), ("best bits per byte", stored.bestBefore, found.bestBefore),
      ("mean KL", stored.divergence, found.divergence), ("KL of 99 %", stored.divergence99, found.divergence99),
      ("top-1 agreement", stored.topAgreement, found.topAgreement), ("overlap", stored.overlap, found.overlap),
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
      return "\(figure.name) is \(hundredths(figure.found)), not \(hundredths(figure.stored))"
    }
  }
}
