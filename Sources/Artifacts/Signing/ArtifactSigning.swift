import Tensors

/// Signs artifacts.
public enum ArtifactSigning {
  /// Writes the artifact at `path` with one signature more, its payload as it is.
  ///
  /// - Returns: the size of the new file in bytes.
  /// - Throws: `badInput` when a byte of the file is not what its hashes say, or it has too many signatures (LMZ-20).
  public static func sign(
    _ path: String, to output: String, key: SigningKey.Private, progress: ProgressConsumer? = nil
  ) throws(LMToolError) -> Int {
    let artifact = try Artifact(path: path)
    if let finding = artifact.verifyBytes(progress: progress).first { throw finding }
    var manifest = artifact.manifest
    try manifest.sign(key)
    let file = try OutputFile(path: output)
    for start in stride(from: 0, to: artifact.payload.upperBound, by: 4 << 20) {
      let range = start..<min(start + (4 << 20), artifact.payload.upperBound)
      try artifact.file.withBytes(range) { (bytes) throws(LMToolError) in try file.write(bytes) }
    }
    try file.write(manifest)
    try file.commit()
    return file.count
  }
}

extension OutputFile {
  /// Appends the manifest of the payload that was written, and puts the header in its place.
  ///
  /// - Throws: `badInput` when the manifest breaks a rule of `formats/lmz.md`.
  func write(_ manifest: ArtifactManifest) throws(LMToolError) {
    let offset = count, json = try encodeJSON(manifest)
    let packed = try json.withUnsafeBytesTyped { (bytes) throws(LMToolError) in try Frame.pack(bytes, level: Frame.textLevel) }
    try write(packed)
    guard json.count <= ArtifactHeader.maximumManifest else {
      throw LMToolError(
        .badInput, "the manifest would have \(json.count) bytes; the limit is 64,000,000", file: path, rule: "LMZ-4")
    }
    var check = ManifestCheck(manifest, payload: ArtifactHeader.size..<offset, fileSize: count)
    do throws(LMToolError) { try check.run() } catch { throw error.within(file: path) }
    let header = ArtifactHeader(
      manifestOffset: offset, packedLength: packed.count, rawLength: json.count, manifestHash: Digest.hex(packed))
    try overwrite(header.encoded(), at: 0)
  }
}
