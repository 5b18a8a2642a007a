import Kernels
import Quantization
import Tensors

/// Writes an `.lmz` file, tensor by tensor; it appears under its name when `finish` returns.
///
/// About 32 MiB of raw bytes wait for packing at a time, whatever the size of the model.
public final class ArtifactWriter {
  private let output: OutputFile
  private var queue: FrameQueue
  private var tensors: [ArtifactManifest.TensorEntry] = []
  private var blobs: [(name: String, bytes: [UInt8])] = []
  private var rateMatrices: [RateParameters] = []
  private var rateTables: RateTables?
  /// Raw bytes of every stream begun so far.
  private var raw: [Int] = []

  /// Starts the file at `path`.
  ///
  /// - Throws: `cannotCreate` when the folder is missing or not writable.
  public init(path: String) throws(LMToolError) {
    output = try OutputFile(path: path)
    queue = FrameQueue(output)
    try output.write([UInt8](repeating: 0, count: ArtifactHeader.size))
  }

  /// Adds a quantized matrix.
  public func add(_ name: String, _ grid: GridTensor) throws(LMToolError) {
    var entry = TensorBuilder(name: name, shape: grid.shape, type: grid.scheme.name)
    try addStream(grid.codes, width: 1, to: &entry)
    try addStream(grid.scales.map(\.littleEndian), width: 2, to: &entry)
    if grid.scheme.hasMinimum { try addStream(grid.minimums.map(\.littleEndian), width: 2, to: &entry) }
    tensors.append(entry.finished())
  }

  /// Adds a rate matrix that was encoded with `tables`, which are those of all rate matrices of the file.
  ///
  /// - Throws: `bug` when another matrix came with other tables.
  public func add(_ name: String, _ rate: EncodedRateMatrix, tables: RateTables) throws(LMToolError) {
    guard rateTables == nil || rateTables == tables else {
      throw LMToolError(.bug, "the rate matrices of a file have different tables", at: .tensor(name))
    }
    rateTables = tables
    var entry = TensorBuilder(name: name, shape: rate.shape, type: TensorType.rateName)
    try addStream(rate.lanes, width: 1, to: &entry)
    tensors.append(entry.finished())
    rateMatrices.append(rate.parameters)
  }

  /// Adds a tensor as floats of `type`: f32, f16 or bf16, rounded to nearest.
  ///
  /// - Throws: `badInput` when an element is NaN or infinite, or becomes so in `type` (LMZ-12); `usage` for another type.
  public func add(_ tensor: any TensorReader, as type: DType) throws(LMToolError) {
    guard TensorType.plainTypes.contains(type) else {
      throw LMToolError(
        .usage, "an .lmz file holds f32, f16 and bf16, not \(type.rawValue)", at: .tensor(tensor.name), rule: "LMZ-11")
    }
    var entry = TensorBuilder(name: tensor.name, shape: tensor.shape, type: type.rawValue)
    let count = tensor.count
    begin(raw: count * type.size)
    for start in stride(from: 0, to: count, by: Planes.block) {
      let bytes = try FloatPiece.read(tensor, start..<min(start + Planes.block, count), as: type)
      try bytes.withUnsafeBytesTyped { (bytes) throws(LMToolError) in try addBlock(bytes, width: type.size, to: &entry) }
    }
    tensors.append(entry.finished())
  }

  /// Adds a file that is carried along, such as the tokenizer; it is written by `finish`.
  public func add(blob name: String, _ bytes: [UInt8]) { blobs.append((name, bytes)) }

  /// Writes what waits for packing.
  ///
  /// - Returns: the bytes of the file so far, without blobs and manifest.
  public func flushed() throws(LMToolError) -> Int {
    try queue.flush()
    return output.count
  }

  /// Bytes of a blob of one frame when it is packed.
  package static func packedBytes(blob bytes: [UInt8]) throws(LMToolError) -> Int {
    try bytes.withUnsafeBytesTyped { (bytes) throws(LMToolError) in try Frame.pack(bytes, level: Frame.textLevel).count }
  }

  /// Writes blobs, manifest and header, and gives the file its name unless it is larger than `limit`.
  ///
  /// - Returns: the size of the file in bytes, whether it was kept or not.
  /// - Throws: `badInput` when names or sizes break a rule of `formats/lmz.md`, `inputOutput` when the disk is full.
  @discardableResult
  public func finish(_ description: ArtifactDescription, limit: Int? = nil) throws(LMToolError) -> Int {
    if let rateTables {
      let shared = try RateSideInformation(tables: rateTables, matrices: rateMatrices)
      blobs.insert((TensorType.rateName, shared.encoded()), at: 0)
    }
    for blob in blobs {
      begin(raw: blob.bytes.count)
      for start in stride(from: 0, to: blob.bytes.count, by: Planes.block) {
        try queue.add(Array(blob.bytes[start..<min(start + Planes.block, blob.bytes.count)]), level: Frame.textLevel)
      }
    }
    try queue.flush()
    try output.write(manifest(description))
    if output.count <= limit ?? Int.max { try output.commit() }
    return output.count
  }

  private func begin(raw bytes: Int) {
    _ = queue.beginStream()
    raw.append(bytes)
  }

  private func addStream<Element>(_ elements: [Element], width: Int, to entry: inout TensorBuilder) throws(LMToolError) {
    var failure: LMToolError?
    begin(raw: elements.count * width)
    elements.withUnsafeBytes { bytes in
      do throws(LMToolError) {
        for start in stride(from: 0, to: bytes.count, by: Planes.block * width) {
          let block = bytes[start..<min(start + Planes.block * width, bytes.count)]
          try addBlock(UnsafeRawBufferPointer(rebasing: block), width: width, to: &entry)
        }
      } catch { failure = error }
    }
    if let failure { throw failure }
  }

  private func addBlock(_ bytes: UnsafeRawBufferPointer, width: Int, to entry: inout TensorBuilder) throws(LMToolError) {
    entry.digest.update(bytes)
    for plane in 0..<width {
      try queue.add(Planes.plane(plane, of: bytes, width: width), level: Frame.weightLevel)
    }
  }

  private func manifest(_ description: ArtifactDescription) -> ArtifactManifest {
    var streams = zip(raw, queue.frames).map { ArtifactManifest.Stream(offset: 0, raw: $0, frames: $1) }
    var offset = ArtifactHeader.size
    for index in streams.indices {
      streams[index].offset = offset
      offset += streams[index].packed
    }
    var next = 0
    func take(_ count: Int) -> [ArtifactManifest.Stream] {
      defer { next += count }
      return Array(streams[next..<(next + count)])
    }
    let placed = tensors.map { entry in
      var entry = entry
      entry.streams = take(Self.streamCount(entry))
      return entry
    }
    let carried = blobs.map { ArtifactManifest.BlobEntry(name: $0.name, sha256: Digest.hex($0.bytes), stream: take(1)[0]) }
    return ArtifactManifest(
      lmtool: description.lmtool, config: description.config, generation: description.generation,
      tokenizer: description.tokenizer, chatTemplate: description.chatTemplate,
      rate: rateTables == nil ? nil : TensorType.rateName, certificate: description.certificate, tensors: placed, blobs: carried,
      payloadHash: queue.hash(), provenance: description.provenance, transcript: description.transcript)
  }

  private static func streamCount(_ entry: ArtifactManifest.TensorEntry) -> Int {
    switch TensorType(entry.type) {
    case .grid(let scheme): scheme.hasMinimum ? 3 : 2
    case .plain, .rate, nil: 1
    }
  }
}

/// The entry of a tensor while its bytes go by.
private struct TensorBuilder {
  let name: String
  let shape: [Int]
  let type: String
  var digest = Digest()

  init(name: String, shape: [Int], type: String) {
    self.name = name
    self.shape = shape
    self.type = type
  }

  func finished() -> ArtifactManifest.TensorEntry {
    ArtifactManifest.TensorEntry(name: name, shape: shape, type: type, sha256: digest.hex(), streams: [])
  }
}
