import Models
import Tensors

/// What the certificate of a file is made from.
public struct CertificateRequest: Sendable {
  /// The original; nil where it is the model itself.
  public var original: ModelSource?
  /// The texts.
  public var probes: [CertificateProbe]

  /// The name of the blob that holds it.
  static let blob = "certificate"

  /// A certificate beside `original`, of the bundled texts and `probes`.
  public init(original: ModelSource? = nil, probes: [CertificateProbe] = []) {
    self.original = original
    self.probes = CertificateProbe.bundled + probes
  }

  /// The record of `model`, as a file of about `bytes` will hold it; nil when it has no tokenizer and so nothing to say.
  func record(of model: ModelSource, fileBytes bytes: Int) throws(LMToolError) -> [UInt8]? {
    guard model.tokenizer != nil, model.tokenizerProblem == nil else { return nil }
    let making = try CertificateMaking(original: original ?? model)
    let allowance = CertificateMaking.allowance(fileBytes: bytes)
    return try making.certify(model, probes: probes, allowance: allowance).encoded()
  }
}
