import Quantization
import Tensors
import Testing

struct StoredGridTensorTests {
  private func stored(_ grid: GridTensor) throws -> StoredGridTensor {
    try StoredGridTensor(
      name: "w", shape: grid.shape, scheme: grid.scheme, codes: MemoryBytes(grid.codes), scales: MemoryBytes(grid.scales),
      minimums: grid.scheme.hasMinimum ? MemoryBytes(grid.minimums) : nil)
  }

  @Test(arguments: GridScheme.allNames) func anyRangeReadsAsTheDequantizedMatrix(name: String) throws {
    let grid = try quantize(gaussians(7 * 45), [7, 45], name)
    let tensor = try stored(grid)
    let floats = grid.dequantized()
    #expect(try tensor.readGrid() == grid)
    #expect(try tensor.readAll() == floats)
    for range in [0..<0, 0..<1, 44..<46, 45..<90, 30..<200, 314..<315] {
      var piece = [Float](repeating: .nan, count: range.count)
      try piece.withUnsafeMutableBufferPointer { (buffer) throws(LMToolError) in try tensor.read(range, into: buffer) }
      #expect(piece == Array(floats[range]))
    }
  }

  @Test func rowsBeyondOnePieceAreRead() throws {
    let grid = try quantize(gaussians(3 * 700_001), [3, 700_001], "int4-g32")
    #expect(try stored(grid).readAll() == grid.dequantized())
  }

  @Test func storageIsTheSchemeAndTheStoredBytesAreThoseOfItsParts() throws {
    let tensor = try stored(try quantize(gaussians(4 * 64), [4, 64], "int4-g32-min"))
    #expect(tensor.storage == .quantized("int4-g32-min"))
    #expect(tensor.storedBytes == 4 * 32 + 2 * 2 * 8)
    #expect(tensor.shape == [4, 64])
  }

  /// Rule Q-7.
  @Test func sourcesOfAnotherSizeAreRefusedByName() {
    let codes = MemoryBytes([UInt8](repeating: 0, count: 32))
    let scales = MemoryBytes([UInt16](repeating: 0, count: 2))
    func refusal(_ name: String, _ codes: MemoryBytes, _ scales: MemoryBytes, _ minimums: MemoryBytes?) -> LMToolError? {
      do throws(LMToolError) {
        _ = try StoredGridTensor(
          name: "w", shape: [2, 32], scheme: scheme(name), codes: codes, scales: scales, minimums: minimums)
      } catch { return error }
      return nil
    }
    #expect(refusal("int4-g32", codes, scales, nil) == nil)
    #expect(refusal("int4-g32", scales, scales, nil)?.rule == "Q-7")
    #expect(refusal("int4-g32", codes, codes, nil)?.rule == "Q-7")
    #expect(refusal("int4-g32", codes, scales, scales)?.rule == "Q-7")
    #expect(refusal("int4-g32-min", codes, scales, nil)?.place == .tensor("w"))
  }

  @Test func damagedScalesAreFoundWhenTheyAreRead() throws {
    let tensor = try StoredGridTensor(
      name: "w", shape: [2, 2], scheme: scheme("int4-row"), codes: MemoryBytes([UInt8](repeating: 0, count: 2)),
      scales: MemoryBytes([0x3C00, 0x7C00] as [UInt16]), minimums: nil)
    #expect(rule { () throws(LMToolError) in _ = try tensor.readGrid() } == "Q-4")
    #expect(rule { () throws(LMToolError) in _ = try tensor.readAll() } == "Q-4")
  }
}
