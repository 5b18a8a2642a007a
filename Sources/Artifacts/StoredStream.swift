import Kernels
import Quantization
import Tensors

/// One stream of an `.lmz` file, unpacked as far as it is read (rules LMZ-5 to LMZ-8).
struct StoredStream: ByteSource {
  let count: Int
  private let width: Int
  private let file: MappedFile
  private let cache: FrameCache
  /// Where each frame starts, and at the end where the last one ends.
  private let offsets: [Int]

  /// A stream whose numbers have passed `ManifestCheck`.
  init(_ stream: ArtifactManifest.Stream, width: Int, file: MappedFile, cache: FrameCache) {
    self.width = width
    self.file = file
    self.cache = cache
    count = stream.raw
    var offset = stream.offset
    offsets =
      [offset]
      + stream.frames.map { length in
        offset += length
        return offset
      }
  }

  /// Bytes of a whole block.
  private var blockBytes: Int { Planes.block * width }
  /// Blocks of the stream.
  var blocks: Int { (offsets.count - 1) / width }
  /// The bytes of the stream that block `index` holds.
  func bytes(ofBlock index: Int) -> Range<Int> { (index * blockBytes)..<min((index + 1) * blockBytes, count) }
  /// Packed bytes of block `index`.
  func packedBytes(ofBlock index: Int) -> Int { offsets[(index + 1) * width] - offsets[index * width] }

  func read(_ range: Range<Int>, into output: UnsafeMutableRawBufferPointer) throws(LMToolError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= count && output.count == range.count, "range outside the stream")
    guard !range.isEmpty else { return }
    let first = range.lowerBound / blockBytes
    let last = (range.upperBound - 1) / blockBytes
    try ThreadPool.shared.forEach(last - first + 1) { (index) throws(LMToolError) in
      let block = bytes(ofBlock: first + index)
      let wanted = block.clamped(to: range)
      let target = UnsafeMutableRawBufferPointer(
        rebasing: output[(wanted.lowerBound - range.lowerBound)..<(wanted.upperBound - range.lowerBound)])
      if wanted == block {
        try unpackBlock(first + index, into: target)
      } else {
        try copy(wanted, ofBlock: first + index, into: target)
      }
    }
  }

  /// Unpacks a whole block past the cache.
  func unpackBlock(_ index: Int, into output: UnsafeMutableRawBufferPointer) throws(LMToolError) {
    if width == 1 { return try unpackFrame(index, into: output) }
    let plane = UnsafeMutableRawBufferPointer.allocate(byteCount: output.count / width, alignment: 16)
    defer { plane.deallocate() }
    for place in 0..<width {
      try unpackFrame(index * width + place, into: plane)
      Planes.join(UnsafeRawBufferPointer(plane), plane: place, width: width, into: output)
    }
  }

  /// Copies a part of a block, keeping its frames in the cache.
  private func copy(
    _ wanted: Range<Int>, ofBlock index: Int, into output: UnsafeMutableRawBufferPointer
  ) throws(LMToolError) {
    let block = bytes(ofBlock: index)
    for place in 0..<width {
      let frame = index * width + place
      let plane = try cache.frame(at: offsets[frame]) { () throws(LMToolError) -> [UInt8] in
        var bytes = [UInt8](repeating: 0, count: block.count / width)
        var failure: LMToolError?
        bytes.withUnsafeMutableBytes { buffer in
          do throws(LMToolError) { try unpackFrame(frame, into: buffer) } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
      }
      let first = wanted.lowerBound + (place - wanted.lowerBound % width + width) % width
      let start = (first - block.lowerBound) / width
      if width == 1 {
        plane.withUnsafeBytes { output.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<start + wanted.count])) }
        continue
      }
      for (index, position) in stride(from: first, to: wanted.upperBound, by: width).enumerated() {
        output[position - wanted.lowerBound] = plane[start + index]
      }
    }
  }

  /// Gives the pages of the whole stream back; each frame gives back its own once it is unpacked.
  func discard() { file.discard(offsets[0]..<offsets[offsets.count - 1]) }

  private func unpackFrame(_ index: Int, into output: UnsafeMutableRawBufferPointer) throws(LMToolError) {
    let range = offsets[index]..<offsets[index + 1]
    defer { file.discard(range) }
    do throws(LMToolError) {
      try file.withBytes(range) { (packed) throws(LMToolError) in try Frame.unpack(packed, into: output) }
    } catch {
      var located = error.within(file: file.path)
      located.place = .offset(range.lowerBound)
      throw located
    }
  }
}
