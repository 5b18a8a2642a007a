import CZstd
import Tensors

/// Packing and unpacking of single zstd frames.
enum Frame {
  /// The level for weights: their frames hold no matches, so that higher levels cost time and gain nothing.
  static let weightLevel: Int32 = 1
  /// The level for blobs and the manifest.
  static let textLevel: Int32 = 19
  /// Raw bytes of a payload frame at most (rule LMZ-6).
  static let maximumRaw = 4 << 20
  /// Packed bytes of a payload frame at most.
  static let maximumPacked = ZSTD_compressBound(maximumRaw)

  /// Packs `raw` as one frame with content size and checksum and a window of at most 4 MiB.
  static func pack(_ raw: UnsafeRawBufferPointer, level: Int32) throws(LMToolError) -> [UInt8] {
    guard let context = ZSTD_createCCtx() else { throw LMToolError(.bug, "out of memory for packing") }
    defer { ZSTD_freeCCtx(context) }
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    if raw.count > maximumRaw { ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 22) }
    var size = 0
    let capacity = ZSTD_compressBound(raw.count)
    let packed = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, initialized in
      size = ZSTD_compress2(context, buffer.baseAddress, capacity, raw.baseAddress, raw.count)
      initialized = ZSTD_isError(size) == 0 ? size : 0
    }
    guard ZSTD_isError(size) == 0 else {
      throw LMToolError(.bug, "zstd cannot pack: \(String(cString: ZSTD_getErrorName(size)))")
    }
    return packed
  }

  /// Unpacks one frame that must fill `packed` and decode to exactly `output.count` bytes.
  ///
  /// - Throws: `badInput` by rule LMZ-5.
  static func unpack(_ packed: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) throws(LMToolError) {
    guard let header = FrameHeader(packed) else {
      throw damaged("there is no zstd frame with a content size here")
    }
    if let objection = header.objection(rawLength: output.count) { throw damaged(objection) }
    guard ZSTD_findFrameCompressedSize(packed.baseAddress, packed.count) == packed.count else {
      throw damaged("the frame does not fill its \(packed.count) packed bytes")
    }
    let size = ZSTD_decompress(output.baseAddress, output.count, packed.baseAddress, packed.count)
    guard ZSTD_isError(size) == 0, size == output.count else {
      let reason = ZSTD_isError(size) == 0 ? "\(size) bytes came out" : String(cString: ZSTD_getErrorName(size))
      throw damaged("the frame cannot be unpacked: \(reason)")
    }
  }

  private static func damaged(_ message: String) -> LMToolError {
    LMToolError(.badInput, message + "; the file is damaged", rule: "LMZ-5")
  }
}
