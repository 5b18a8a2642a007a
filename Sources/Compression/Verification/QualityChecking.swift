import Artifacts
import Inference
import Models
import Tensors

/// Judges what a model says: by the record in its file, beside the original, or alone.
struct QualityChecking {
  private let source: ModelSource
  private let model: Transformer
  private let demands: QualityDemands?

  /// - Parameter demands: what is asked; nil tells what a record says and measures nothing.
  init(_ source: ModelSource, _ model: Transformer, _ demands: QualityDemands?) {
    self.source = source
    self.model = model
    self.demands = demands
  }

  /// Judges the model of an artifact.
  func run(_ artifact: Artifact, _ report: inout VerificationReport) {
    do throws(LMToolError) {
      let checking = try CertificateChecking(artifact)
      guard let certificate = checking.certificate else { return withoutRecord(&report) }
      let model = try LoadedModel(source, model)
      var quality = QualityReport(certificate.head, bytes: checking.bytes, model.tokenizer)
      defer { report.quality = quality }
      let told = "fidelity \(quality.fidelity.rawValue), \(quality.coherence.holds ? "coherent" : "not coherent")"
      guard let demands else { return report.add("certificate", nil, "\(told), as recorded in \(checking.bytes) bytes") }
      let (details, contradictions) = try checking.measure(source, model, certificate)
      if demands.details { quality.details = details }
      report.add("certificate", reasons: contradictions, "every figure reproduced from a record of \(checking.bytes) bytes")
      if let original = demands.original {
        let against = try checking.contradictions(source, against: original, certificate)
        report.add("against the original", reasons: against, "the record is what the original says")
      }
      judge(quality, demands, &report)
    } catch { report.add("certificate", error.description, "") }
  }

  /// Judges a model without a record.
  func withoutRecord(_ report: inout VerificationReport) {
    guard let demands else {
      return report.add("certificate", nil, "none in the file: its bytes are checked, its quality is not")
    }
    do throws(LMToolError) {
      guard let original = demands.original else { return try alone(demands, &report) }
      let certificate = try CertificateMaking(original: original).certify(source, allowance: Self.allowance)
      let model = try LoadedModel(source, model)
      var quality = QualityReport(certificate.head, bytes: 0, model.tokenizer)
      if demands.details {
        let checking = CertificateChecking(certificate: certificate)
        quality.details = try checking.measure(source, model, certificate).details
      }
      report.quality = quality
      report.add("certificate", nil, "none in the file: measured beside the original")
      judge(quality, demands, &report)
    } catch { report.add("coherence", error.description, "") }
  }

  /// Bytes of a record that is thrown away afterwards: all references are kept.
  private static let allowance = 4_000_000

  private func alone(_ demands: QualityDemands, _ report: inout VerificationReport) throws(LMToolError) {
    let none = "none in the file, so that its fidelity cannot be told; --against ORIGINAL tells it"
    report.add("certificate", demands.minimumGrade == nil ? nil : none, none)
    guard source.tokenizer != nil, source.tokenizerProblem == nil else { return }
    let reading = try SelfReading(source, try LoadedModel(source, model))
    report.add(
      "coherence", reasons: reading.coherence.reasons,
      "\(decimals(reading.best, 2)) bits for each byte of the text that it knows best, \(percent(reading.speech.repetition)) of what "
        + "it says is repetition")
  }

  private func judge(_ quality: QualityReport, _ demands: QualityDemands, _ report: inout VerificationReport) {
    report.add("coherence", reasons: quality.coherence.reasons, "it makes sense where the original does")
    let grade = "fidelity \(quality.fidelity.rawValue)"
    let isMet = demands.minimumGrade.map { quality.fidelity <= $0 } ?? true
    report.add("fidelity", isMet ? nil : "\(grade), worse than \(demands.minimumGrade?.rawValue ?? "")", grade)
  }
}
