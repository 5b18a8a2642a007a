import Tensors
import TestSupport
import Testing

/// Shapes, types, and tensors read whole.
struct TensorReaderTests {
  private struct Ramp: TensorReader {
    let name = "ramp"
    let shape: [Int]
    let storage = Storage.plain(.f32)
    let storedBytes = 0
    var fails = false

    func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
      if fails { throw LMToolError(.badInput, "broken frame") }
      for (place, index) in range.enumerated() { output[place] = Float(index) }
    }
  }

  @Test func elementCountIsTheProduct() {
    #expect(elementCount([]) == 1)
    #expect(elementCount([3, 4, 5]) == 60)
    #expect(elementCount([3, 0, 5]) == 0)
  }

  @Test func impossibleShapesHaveNoElementCount() {
    #expect(elementCount([-1]) == nil)
    #expect(elementCount([0, -1]) == nil)
    #expect(elementCount([Int.max, 2]) == nil)
    #expect(elementCount([1 << 32, 1 << 31]) == nil)
    #expect(elementCount([1 << 31, 1 << 31]) == 1 << 62)
  }

  @Test func readingAllGivesEveryElement() throws {
    #expect(try Ramp(shape: [2, 3]).readAll() == [0, 1, 2, 3, 4, 5])
    #expect(try Ramp(shape: [0, 3]).readAll() == [])
  }

  @Test func readingAllPassesTheErrorOn() {
    expectFailure(.badInput) { _ = try Ramp(shape: [2], fails: true).readAll() }
  }

  @Test func typesHaveTheSizesOfTheirNames() {
    for type in DType.allCases {
      // "F8_E4M3" is 8 bits; what follows says how they are divided.
      let digits = Int(type.rawValue.prefix { $0 != "_" }.filter(\.isNumber)) ?? 8
      #expect(type.size == digits / 8, "\(type)")
      #expect(type.isFloat == type.rawValue.contains("F"), "\(type)")
    }
    #expect(Storage.plain(.bf16).description == "BF16" && Storage.quantized("int4-g32").description == "int4-g32")
  }
}
