import Quantization
import Tensors

/// An `.lmz` file, open for reading. Opening reads header and manifest; tensors are unpacked when they are read.
public final class Artifact: Sendable {
  /// What the file says of itself.
  public let manifest: ArtifactManifest
  /// The size of the file in bytes.
  public let fileSize: Int
  /// All tensors in the order of the file; those with a scheme are `GridTensorReader`s.
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
      tensors = try Self.readers(manifest, file: file, cache: cache)
    } catch { throw error.within(file: path) }
    indices = Dictionary(uniqueKeysWithValues: manifest.tensors.enumerated().map { ($1.name, $0) })
  }

  /// The tensor of this name, nil when there is none.
  public func tensor(_ name: String) -> (any TensorReader)? { indices[name].map { tensors[$0] } }

  /// The quantized tensor of this name, nil when there is none or it is plain.
  public func grid(_ name: String) -> (any GridTensorReader)? { tensor(name) as? any GridTensorReader }

  /// The bytes of a blob, compared with their hash.
  ///
  /// - Throws: `missingInput` when there is no such blob, `badInput` when it is damaged (LMZ-5, LMZ-15).
  public func blob(_ name: String) throws(LMToolError) -> [UInt8] {
    guard let entry = manifest.blobs.first(where: { $0.name == name }) else {
      throw LMToolError(.missingInput, "there is no blob \(name.printable)", file: file.path)
    }
    let stream = StoredStream(entry.stream, width: 1, file: file, cache: cache)
    let bytes: [UInt8] = try stream.elements(bytes: 0..<stream.count)
    guard Digest.hex(bytes) == entry.sha256 else {
      throw LMToolError(
        .badInput, "the bytes have another hash; the file is damaged", file: file.path, at: .key(name), rule: "LMZ-15")
    }
    return bytes
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

  private static func readers(
    _ manifest: ArtifactManifest, file: MappedFile, cache: FrameCache
  ) throws(LMToolError) -> [any TensorReader] {
    var readers: [any TensorReader] = []
    for entry in manifest.tensors { readers.append(try reader(entry, file: file, cache: cache)) }
    return readers
  }

  private static func reader(
    _ entry: ArtifactManifest.TensorEntry, file: MappedFile, cache: FrameCache
  ) throws(LMToolError) -> any TensorReader {
    let streams = Self.streams(entry, file: file, cache: cache)
    let packed = entry.streams.reduce(0) { $0 + $1.packed }
    switch TensorType(entry.type) {
    case .plain(let type):
      return StoredFloatTensor(name: entry.name, shape: entry.shape, type: type, storedBytes: packed, stream: streams[0])
    case .grid(let scheme):
      return try StoredGridTensor(
        name: entry.name, shape: entry.shape, scheme: scheme, codes: streams[0], scales: streams[1],
        minimums: streams.count > 2 ? streams[2] : nil, storedBytes: packed)
    case nil:
      throw LMToolError(.bug, "the manifest was not checked")
    }
  }

  /// The streams of a tensor whose entry has passed `ManifestCheck`.
  static func streams(_ entry: ArtifactManifest.TensorEntry, file: MappedFile, cache: FrameCache) -> [StoredStream] {
    guard let type = TensorType(entry.type), let sizes = try? type.streams(shape: entry.shape) else { return [] }
    return zip(entry.streams, sizes).map { StoredStream($0, width: $1.width, file: file, cache: cache) }
  }
}
