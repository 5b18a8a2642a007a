import Quantization
import Tensors

/// An `.lmz` file, open for reading. Opening reads header and manifest, and what rate matrices share; tensors are unpacked when
/// they are read.
public final class Artifact: Sendable {
  /// What the file says of itself.
  public let manifest: ArtifactManifest
  /// The size of the file in bytes.
  public let fileSize: Int
  /// All tensors in the order of the file; those on a grid are `GridTensorReader`s,
  /// rate matrices `EncodedRateTensorReader`s.
  public let tensors: [any TensorReader]

  let file: MappedFile
  let payload: Range<Int>
  private let indices: [String: Int]
  private let cache = FrameCache()

  /// Opens the file at `path`.
  ///
  /// - Throws: `missingInput`, or `badInput` by the rule of `formats/lmz.md` that header or manifest break.
  public init(path: String) throws(LMToolError) {
    file = try MappedFile(path: path)
    fileSize = file.count
    let header = try ArtifactHeader(file)
    payload = ArtifactHeader.size..<header.manifestOffset
    do throws(LMToolError) {
      manifest = try Self.manifest(of: file, header)
      var check = ManifestCheck(manifest, payload: payload, fileSize: file.count)
      try check.run()
      tensors = try ArtifactReaders(manifest, file: file, cache: cache).all()
    } catch { throw error.within(file: path) }
    indices = Dictionary(uniqueKeysWithValues: manifest.tensors.enumerated().map { ($1.name, $0) })
  }

  /// The tensor of this name, nil when there is none.
  public func tensor(_ name: String) -> (any TensorReader)? { indices[name].map { tensors[$0] } }

  /// The tensor of this name on a grid, nil when there is none or it is stored otherwise.
  public func grid(_ name: String) -> (any GridTensorReader)? { tensor(name) as? any GridTensorReader }

  /// The rate matrix of this name, nil when there is none or it is stored otherwise.
  public func rate(_ name: String) -> (any EncodedRateTensorReader)? { tensor(name) as? any EncodedRateTensorReader }

  /// The bytes of a blob, compared with their hash.
  ///
  /// - Throws: `missingInput` when there is no such blob, `badInput` when it is damaged (LMZ-5, LMZ-15).
  public func blob(_ name: String) throws(LMToolError) -> [UInt8] {
    guard let entry = manifest.blobs.first(where: { $0.name == name }) else {
      throw LMToolError(.missingInput, "there is no blob \(name.printable)", file: file.path)
    }
    return try ArtifactReaders.blob(entry, file: file, cache: cache)
  }

  private static func manifest(of file: MappedFile, _ header: ArtifactHeader) throws(LMToolError) -> ArtifactManifest {
    try file.withBytes(header.manifestOffset..<file.count) { (packed) throws(LMToolError) in
      var digest = Digest()
      digest.update(packed)
      guard digest.hex() == header.manifestHash else {
        throw LMToolError(
          .badInput, "the manifest has another hash than the header; the file is damaged", at: .offset(32), rule: "LMZ-4")
      }
      let json = UnsafeMutableRawBufferPointer.allocate(byteCount: header.rawLength, alignment: 16)
      defer { json.deallocate() }
      try Frame.unpack(packed, into: json)
      do throws(LMToolError) {
        return try decodeJSON(ArtifactManifest.self, bytes: UnsafeRawBufferPointer(json))
      } catch {
        throw LMToolError(.badInput, "in the manifest, \(error.message)", at: .offset(header.manifestOffset), rule: "LMZ-16")
      }
    }
  }
}
