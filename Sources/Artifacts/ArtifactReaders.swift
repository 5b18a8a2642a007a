import Kernels
import Quantization
import Tensors

/// Makes readers of the tensors of a manifest that has passed `ManifestCheck`.
struct ArtifactReaders {
  let manifest: ArtifactManifest
  let file: MappedFile
  let cache: FrameCache
  /// What the rate matrices share; nil when there are none.
  private let rate: RateSideInformation?
  /// The table sets of the rate matrices, laid out for the decoder.
  private let slots: [RateSlots]
  /// Packed bytes of the blob of the rate matrices for each thousand million of its raw bytes.
  private let sharePerGiga: Int

  /// Reads what rate matrices share, if there are any.
  ///
  /// - Throws: `badInput` when that is damaged (LMZ-15, RATE-7, RATE-8).
  init(_ manifest: ArtifactManifest, file: MappedFile, cache: FrameCache) throws(LMToolError) {
    self.manifest = manifest
    self.file = file
    self.cache = cache
    let shapes = manifest.tensors.filter { $0.type == TensorType.rateName }.map(\.shape)
    guard let name = manifest.rate, let entry = manifest.blobs.first(where: { $0.name == name }), !shapes.isEmpty else {
      rate = nil
      slots = []
      sharePerGiga = 0
      return
    }
    let bytes = try Self.blob(entry, file: file, cache: cache)
    do throws(LMToolError) {
      rate = try RateSideInformation(encoded: bytes, shapes: shapes)
    } catch { throw error.placed(at: .key(name)) }
    slots = rate?.tables.sets.map { RateSlots(frequencies: $0) } ?? []
    sharePerGiga = 1_000_000_000 * entry.stream.packed / max(1, bytes.count)
  }

  /// A reader of each tensor.
  func all() throws(LMToolError) -> [any TensorReader] {
    var readers: [any TensorReader] = []
    var parameters = (rate?.matrices ?? [])[...]
    for entry in manifest.tensors {
      if entry.type == TensorType.rateName, let rate, let own = parameters.popFirst() {
        readers.append(try matrix(entry, own, rate.tables))
      } else {
        readers.append(try reader(entry))
      }
    }
    return readers
  }

  /// The bytes of a blob, compared with their hash.
  static func blob(_ entry: ArtifactManifest.BlobEntry, file: MappedFile, cache: FrameCache) throws(LMToolError) -> [UInt8] {
    let stream = StoredStream(entry.stream, width: 1, file: file, cache: cache)
    let bytes: [UInt8] = try stream.elements(bytes: 0..<stream.count)
    guard Digest.hex(bytes) == entry.sha256 else {
      throw LMToolError(
        .badInput, "the bytes have another hash; the file is damaged", file: file.path, at: .key(entry.name), rule: "LMZ-15")
    }
    return bytes
  }

  /// The streams of a tensor.
  static func streams(_ entry: ArtifactManifest.TensorEntry, file: MappedFile, cache: FrameCache) -> [StoredStream] {
    guard let type = TensorType(entry.type), let sizes = try? type.streams(shape: entry.shape) else { return [] }
    return zip(entry.streams, sizes).map { StoredStream($0, width: $1.width, file: file, cache: cache) }
  }

  private func reader(_ entry: ArtifactManifest.TensorEntry) throws(LMToolError) -> any TensorReader {
    let streams = Self.streams(entry, file: file, cache: cache)
    let packed = entry.streams.reduce(0) { $0 + $1.packed }
    switch TensorType(entry.type) {
    case .plain(let type):
      return StoredFloatTensor(name: entry.name, shape: entry.shape, type: type, storedBytes: packed, stream: streams[0])
    case .grid(let scheme):
      return try StoredGridTensor(
        name: entry.name, shape: entry.shape, scheme: scheme, codes: streams[0], scales: streams[1],
        minimums: streams.count > 2 ? streams[2] : nil, storedBytes: packed)
    case .rate, nil:
      throw LMToolError(.bug, "the manifest was not checked")
    }
  }

  /// A rate matrix; its share of the blob counts as its own.
  private func matrix(
    _ entry: ArtifactManifest.TensorEntry, _ parameters: RateParameters, _ tables: RateTables
  ) throws(LMToolError) -> StoredRateTensor {
    let share = parameters.sideBytes * sharePerGiga / 1_000_000_000
    return try StoredRateTensor(
      name: entry.name, parameters: parameters, tables: tables, slots: slots[parameters.set],
      lanes: Self.streams(entry, file: file, cache: cache)[0], storedBytes: entry.streams[0].packed + share)
  }
}

extension LMToolError {
  /// The same error, said of `place` if none was named yet.
  func placed(at place: Place) -> LMToolError {
    var error = self
    error.place = error.place ?? place
    return error
  }
}
