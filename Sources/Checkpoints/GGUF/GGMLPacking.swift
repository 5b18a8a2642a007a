import Kernels

// swift-format-ignore: AlwaysUseLowerCamelCase
/// Packs codes and scales that a quantizer has chosen into ggml's blocks, losslessly: the inverse of the decoders.
///
/// Codes come in the order of the elements, 32 a block; scales and minimums are bits of f16, one a block. The layouts are
/// those of `formats/gguf.md`.
public enum GGMLPacking {
  /// Packs symmetric 8-bit codes: each element is code * scale.
  ///
  /// - Parameter output: room for 34 bytes a block.
  /// - Precondition: `codes` has 32 elements for each of `scales`.
  public static func q8_0(
    codes: UnsafeBufferPointer<Int8>, scales: UnsafeBufferPointer<UInt16>, to output: UnsafeMutableRawBufferPointer
  ) {
    checkSizes(.q8_0, codes: codes.count, blocks: scales.count, bytes: output.count)
    for block in 0..<scales.count {
      let start = block * GGMLBlock.q8_0.bytes
      output.storeBytes(of: scales[block].littleEndian, toByteOffset: start, as: UInt16.self)
      let source = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(codes)[(32 * block)..<(32 * block + 32)])
      UnsafeMutableRawBufferPointer(rebasing: output[(start + 2)..<(start + 34)]).copyMemory(from: source)
    }
  }

  /// Packs symmetric 4-bit codes from -8 to 7: each element is code * scale.
  ///
  /// - Parameter output: room for 18 bytes a block.
  /// - Precondition: `codes` has 32 elements for each of `scales`.
  public static func q4_0(
    codes: UnsafeBufferPointer<Int8>, scales: UnsafeBufferPointer<UInt16>, to output: UnsafeMutableRawBufferPointer
  ) {
    checkSizes(.q4_0, codes: codes.count, blocks: scales.count, bytes: output.count)
    for block in 0..<scales.count {
      let start = block * GGMLBlock.q4_0.bytes
      output.storeBytes(of: scales[block].littleEndian, toByteOffset: start, as: UInt16.self)
      packNibbles(to: output, at: start + 2) { UInt8(truncatingIfNeeded: codes[32 * block + $0] &+ 8) }
    }
  }

  /// Packs 4-bit codes from 0 to 15 with a minimum: each element is code * scale + minimum.
  ///
  /// - Parameter output: room for 20 bytes a block.
  /// - Precondition: `codes` has 32 elements for each of `scales` and of `minimums`.
  public static func q4_1(
    codes: UnsafeBufferPointer<UInt8>, scales: UnsafeBufferPointer<UInt16>, minimums: UnsafeBufferPointer<UInt16>,
    to output: UnsafeMutableRawBufferPointer
  ) {
    checkSizes(.q4_1, codes: codes.count, blocks: scales.count, bytes: output.count)
    precondition(minimums.count == scales.count, "a minimum for each scale")
    for block in 0..<scales.count {
      let start = block * GGMLBlock.q4_1.bytes
      output.storeBytes(of: scales[block].littleEndian, toByteOffset: start, as: UInt16.self)
      output.storeBytes(of: minimums[block].littleEndian, toByteOffset: start + 2, as: UInt16.self)
      packNibbles(to: output, at: start + 4) { codes[32 * block + $0] }
    }
  }

  private static func checkSizes(_ type: GGMLBlock, codes: Int, blocks: Int, bytes: Int) {
    precondition(codes == blocks * GGMLBlock.elements, "32 codes for each scale")
    precondition(bytes == blocks * type.bytes, "the output holds exactly the blocks")
  }

  /// Element j goes to the low nibble of byte j, element j + 16 to its high nibble.
  @inline(__always)
  private static func packNibbles(to output: UnsafeMutableRawBufferPointer, at start: Int, _ code: (Int) -> UInt8) {
    for j in 0..<16 { output[start + j] = code(j) & 15 | code(j + 16) << 4 }
  }
}
