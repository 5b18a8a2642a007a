import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Packing is the inverse of decoding: blocks, codes and scales, back to the same blocks.
struct GGMLPackingTests {
  /// The stored blocks of a tensor of the fixture, one after the other.
  private func blocks(_ type: GGMLType) throws -> [[UInt8]] {
    let tensor = try #require(try GGUFFile(path: Fixtures.path("gguf/blocks.gguf")).tensors[type.name])
    let stored = tensor.withBytes { Array($0) }
    return stride(from: 0, to: stored.count, by: type.bytesPerBlock).map { Array(stored[$0..<($0 + type.bytesPerBlock)]) }
  }

  private func half(_ block: [UInt8], at index: Int) -> UInt16 { UInt16(block[index]) | UInt16(block[index + 1]) << 8 }

  /// The 32 codes of 16 bytes: low nibbles, then high ones.
  private func nibbles(_ bytes: ArraySlice<UInt8>) -> [UInt8] { bytes.map { $0 & 15 } + bytes.map { $0 >> 4 } }

  @Test func packsQ8_0() throws {
    let blocks = try blocks(.q8_0)
    let codes = blocks.flatMap { $0[2...].map { Int8(bitPattern: $0) } }
    var packed = [UInt8](repeating: 0, count: blocks.count * 34)
    codes.withUnsafeBufferPointer { codes in
      blocks.map { half($0, at: 0) }.withUnsafeBufferPointer { scales in
        packed.withUnsafeMutableBytes { GGMLPacking.q8_0(codes: codes, scales: scales, to: $0) }
      }
    }
    #expect(packed == blocks.flatMap { $0 })
  }

  @Test func packsQ4_0() throws {
    let blocks = try blocks(.q4_0)
    let codes = blocks.flatMap { nibbles($0[2...]).map { Int8($0) - 8 } }
    var packed = [UInt8](repeating: 0, count: blocks.count * 18)
    codes.withUnsafeBufferPointer { codes in
      blocks.map { half($0, at: 0) }.withUnsafeBufferPointer { scales in
        packed.withUnsafeMutableBytes { GGMLPacking.q4_0(codes: codes, scales: scales, to: $0) }
      }
    }
    #expect(packed == blocks.flatMap { $0 })
  }

  @Test func packsQ4_1() throws {
    let blocks = try blocks(.q4_1)
    let codes = blocks.flatMap { nibbles($0[4...]) }
    let scales = blocks.map { half($0, at: 0) }
    let minimums = blocks.map { half($0, at: 2) }
    var packed = [UInt8](repeating: 0, count: blocks.count * 20)
    codes.withUnsafeBufferPointer { codes in
      scales.withUnsafeBufferPointer { scales in
        minimums.withUnsafeBufferPointer { minimums in
          packed.withUnsafeMutableBytes { GGMLPacking.q4_1(codes: codes, scales: scales, minimums: minimums, to: $0) }
        }
      }
    }
    #expect(packed == blocks.flatMap { $0 })
  }
}
