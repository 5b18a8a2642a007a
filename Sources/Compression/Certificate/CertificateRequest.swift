import Models
import OrderedCollections
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

  /// Whether a model has lost something already, so that a record beside itself would say nothing.
  public static func needsOriginal(_ source: ModelSource) -> Bool {
    source.tensors.values.contains { if case .quantized = $0.storage { true } else { false } }
  }

  /// Bytes that a file of `bytes` keeps for its record, entry and all.
  func reserve(fileBytes bytes: Int) -> Int { CertificateMaking.allowance(fileBytes: bytes) + 200 }

  /// The record of `model`, as a file of about `bytes` will hold it; nil when it has no tokenizer and so nothing to say.
  func record(of model: ModelSource, fileBytes bytes: Int) throws(LMToolError) -> [UInt8]? {
    guard model.tokenizer != nil, model.tokenizerProblem == nil else { return nil }
    let making = try CertificateMaking(original: original ?? model)
    let allowance = CertificateMaking.allowance(fileBytes: bytes)
    return try making.certify(model, probes: probes, allowance: allowance).encoded()
  }
}
