import Tensors

/// The start of a zstd frame (RFC 8878, section 3.1.1.1), read before libzstd is let at it (rule LMZ-5).
struct FrameHeader: Equatable {
  /// Bytes that the frame decodes to.
  let contentSize: UInt64
  /// Bytes of history that decoding needs.
  let window: UInt64
  /// Whether the frame ends with a checksum.
  let hasChecksum: Bool

  static let maximumWindow: UInt64 = 8 << 20

  /// Reads the header of a frame; nil when it is none, when it has a dictionary or reserved bits, or no content size.
  init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 6, bytes.prefix(4).elementsEqual([0x28, 0xB5, 0x2F, 0xFD]) else { return nil }
    let descriptor = bytes[4]
    guard descriptor & 0b0001_1011 == 0 else { return nil }
    let isSingleSegment = descriptor & 0b0010_0000 != 0
    let start = isSingleSegment ? 5 : 6
    let size = [isSingleSegment ? 1 : 0, 2, 4, 8][Int(descriptor >> 6)]
    guard size > 0, bytes.count >= start + size else { return nil }
    var content: UInt64 = size == 2 ? 256 : 0
    for index in 0..<size {
      let (sum, overflow) = content.addingReportingOverflow(UInt64(bytes[start + index]) << (8 * UInt64(index)))
      guard !overflow else { return nil }
      content = sum
    }
    contentSize = content
    window = isSingleSegment ? content : Self.window(descriptor: bytes[5])
    hasChecksum = descriptor & 0b0000_0100 != 0
  }

  private static func window(descriptor: UInt8) -> UInt64 {
    let base: UInt64 = 1 << (10 + UInt64(descriptor >> 3))
    return base + base / 8 * UInt64(descriptor & 7)
  }

  /// Why a frame of `count` raw bytes may not start like this, nil when it may.
  func objection(rawLength count: Int) -> String? {
    if contentSize != UInt64(count) { return "the frame says it holds \(contentSize) bytes where \(count) are expected" }
    if !hasChecksum { return "the frame has no checksum" }
    if window > max(Self.maximumWindow, UInt64(count)) { return "the frame needs a window of \(window) bytes, more than 8 MiB" }
    return nil
  }
}
