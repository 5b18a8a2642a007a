import Tensors

extension ArtifactManifest {
  /// Who says that a file is theirs (LMZ-19).
  public struct Signature: Codable, Sendable, Equatable {
    /// The public key of Ed25519, 64 hexadecimal digits.
    public var key: String
    /// The signature, 128 hexadecimal digits.
    public var signature: String
  }

  /// The most signatures of a file (LMZ-20).
  static let mostSignatures = 16

  /// What is signed: everything but how bytes are packed and where they lie, so that packing them anew breaks no signature (LMZ-19).
  private struct Content: Encodable {
    /// A tensor or a blob.
    struct Part: Encodable {
      var name: String
      var shape: [Int]?
      var type: String?
      var sha256: String
    }

    var format: Int
    var lmtool: String
    var config: JSONValue
    var generation: JSONValue?
    var tokenizer, chatTemplate, rate, certificate: String?
    var tensors, blobs: [Part]
    var provenance: Provenance
    var transcript: Transcript?
  }

  /// The bytes that are signed.
  func signedBytes() throws(LMToolError) -> [UInt8] {
    let content = Content(
      format: format, lmtool: lmtool, config: config, generation: generation, tokenizer: tokenizer, chatTemplate: chatTemplate,
      rate: rate, certificate: certificate,
      tensors: tensors.map { .init(name: $0.name, shape: $0.shape, type: $0.type, sha256: $0.sha256) },
      blobs: blobs.map { .init(name: $0.name, sha256: $0.sha256) }, provenance: provenance, transcript: transcript)
    return Array("lmtool signature 1\n".utf8) + (try encodeJSON(content, snakeCase: true))
  }

  /// Adds the signature of `key`, in the place of the one that it gave before.
  mutating func sign(_ key: SigningKey.Private) throws(LMToolError) {
    let name = key.publicKey.description, signature = try key.signature(of: try signedBytes())
    let others = (signatures ?? []).filter { $0.key != name }
    signatures = others + [Signature(key: name, signature: signature.hex)]
  }

  /// Whether a signature is one of what the file holds.
  public func isValid(_ signature: Signature) -> Bool {
    guard let key = SigningKey.Public(hex: signature.key), let bytes = [UInt8](hex: signature.signature),
      let content = try? signedBytes()
    else { return false }
    return key.isValid(bytes, of: content)
  }
}
