import Artifacts

extension VerificationReport {
  /// Checks the signatures of a file, and whether `key`, if there is one, is among the signers.
  mutating func addSignatures(_ manifest: ArtifactManifest, _ key: SigningKey.Public?) {
    let all = manifest.signatures ?? []
    if let wrong = all.first(where: { !manifest.isValid($0) }) {
      return add("signature", "the signature by \(wrong.key) is not of what the file holds", "")
    }
    if let key {
      let isSigned = all.contains { $0.key == key.description }
      return add("signature", isSigned ? nil : "the file is not signed by \(key)", "signed by \(key)")
    }
    guard !all.isEmpty else { return }
    add(
      "signature", nil, "by \(all.map(\.key).joined(separator: ", ")), whoever that is: --key tells whether it is whom you trust")
  }
}
