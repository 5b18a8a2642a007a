import Kernels
import Quantization
import Synchronization
import Tensors

extension Artifact {
  /// Checks every byte behind the manifest: the hash of the payload (LMZ-17), every frame (LMZ-5), the hash of every
  /// tensor (LMZ-14) and blob (LMZ-15), that every float, scale and minimum is finite (LMZ-12, Q-4), and that every lane of a
  /// rate matrix can be decoded (RATE-6).
  ///
  /// - Parameter progress: told how many packed bytes were hashed or unpacked.
  /// - Returns: what is wrong, in the order of the file; empty when the file is sound.
  public func verifyBytes(progress: ProgressConsumer? = nil) -> [LMToolError] {
    let meter = Meter(total: 2 * payload.count, consumer: progress)
    let tasks = manifest.tensors.count + manifest.blobs.count + 1
    var findings = [LMToolError?](repeating: nil, count: tasks)
    findings.withUnsafeMutableBufferPointer { findings in
      ThreadPool.shared.forEach(tasks) { task in
        do throws(LMToolError) {
          try verify(task: task, meter)
        } catch { findings[task] = error.within(file: file.path) }
      }
    }
    return findings.compactMap { $0 }
  }

  private func verify(task: Int, _ meter: Meter) throws(LMToolError) {
    let tensors = manifest.tensors.count
    if task == 0 {
      try verifyPayload(meter)
    } else if task <= tensors {
      try verify(manifest.tensors[task - 1], meter)
      try (self.tensors[task - 1] as? StoredRateTensor)?.verifyLanes()
    } else {
      try verify(manifest.blobs[task - tensors - 1], meter)
    }
  }

  private func verifyPayload(_ meter: Meter) throws(LMToolError) {
    var digest = Digest()
    for start in stride(from: payload.lowerBound, to: payload.upperBound, by: 4 << 20) {
      let range = start..<min(start + 4 << 20, payload.upperBound)
      file.withBytes(range) { digest.update($0) }
      meter.advance(range.count)
    }
    guard digest.hex() == manifest.payloadHash else {
      throw LMToolError(
        .badInput, "the payload has another hash than the manifest says; the file is damaged", at: .key("payload_sha256"),
        rule: "LMZ-17")
    }
  }

  private func verify(_ entry: ArtifactManifest.TensorEntry, _ meter: Meter) throws(LMToolError) {
    var digest = Digest()
    do throws(LMToolError) {
      let streams = ArtifactReaders.streams(entry, file: file, cache: FrameCache())
      for (index, stream) in streams.enumerated() {
        try verify(stream, &digest, meter) { (bytes, start) throws(LMToolError) in
          try Self.checkValues(bytes, from: start, stream: index, of: entry)
        }
      }
    } catch { throw error.naming(tensor: entry.name) }
    guard digest.hex() == entry.sha256 else {
      throw LMToolError(
        .badInput, "the elements have another hash than the manifest says", at: .tensor(entry.name), rule: "LMZ-14")
    }
  }

  private func verify(_ entry: ArtifactManifest.BlobEntry, _ meter: Meter) throws(LMToolError) {
    _ = try blob(entry.name)
    meter.advance(entry.stream.packed)
  }

  private func verify(
    _ stream: StoredStream, _ digest: inout Digest, _ meter: Meter,
    values check: (UnsafeRawBufferPointer, Int) throws(LMToolError) -> Void
  ) throws(LMToolError) {
    for block in 0..<stream.blocks {
      let range = stream.bytes(ofBlock: block)
      let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: range.count, alignment: 16)
      defer { bytes.deallocate() }
      try stream.unpackBlock(block, into: bytes)
      digest.update(UnsafeRawBufferPointer(bytes))
      try check(UnsafeRawBufferPointer(bytes), range.lowerBound)
      meter.advance(stream.packedBytes(ofBlock: block))
    }
  }

  /// Checks that the values of one block are finite; codes may be anything but for the padding of odd rows.
  private static func checkValues(
    _ bytes: UnsafeRawBufferPointer, from start: Int, stream: Int, of entry: ArtifactManifest.TensorEntry
  ) throws(LMToolError) {
    switch TensorType(entry.type) {
    case .plain(let type):
      guard let index = type.firstNonfinite(bytes) else { return }
      throw LMToolError(.badInput, "element \(start / type.size + index) is NaN or infinite", rule: "LMZ-12")
    case .grid(let scheme):
      if stream == 0 { return try checkPadding(bytes, from: start, scheme, shape: entry.shape) }
      guard let index = DType.f16.firstNonfinite(bytes) else { return }
      throw LMToolError(.badInput, "\(stream == 1 ? "scale" : "minimum") \(start / 2 + index) is NaN or infinite", rule: "Q-4")
    case .rate, nil: return
    }
  }

  private static func checkPadding(
    _ bytes: UnsafeRawBufferPointer, from start: Int, _ scheme: GridScheme, shape: [Int]
  ) throws(LMToolError) {
    let layout = try GridLayout(shape: shape, scheme: scheme)
    guard scheme.bits == 4, layout.columns % 2 == 1 else { return }
    let first = (layout.bytesPerRow - 1 - start % layout.bytesPerRow)
    for end in stride(from: first, to: bytes.count, by: layout.bytesPerRow) where bytes[end] > 15 {
      throw LMToolError(.badInput, "row \((start + end) / layout.bytesPerRow) ends in a nibble that is not zero", rule: "Q-5")
    }
  }
}

/// Adds up the progress of several threads.
private final class Meter: Sendable {
  private let total: Int
  private let consumer: ProgressConsumer?
  private let done = Mutex(0)

  init(total: Int, consumer: ProgressConsumer?) {
    self.total = total
    self.consumer = consumer
  }

  func advance(_ bytes: Int) {
    guard let consumer else { return }
    done.withLock { done in
      done += bytes
      consumer(ProgressUpdate(stage: "verify", done: done, total: total, unit: .bytes))
    }
  }
}

extension LMToolError {
  /// The same error, said of a tensor; the offset of a frame becomes part of the message.
  fileprivate func naming(tensor name: String) -> LMToolError {
    var error = self
    if case .offset(let offset) = place { error.message += " (frame at offset \(offset))" }
    error.place = .tensor(name)
    return error
  }
}
