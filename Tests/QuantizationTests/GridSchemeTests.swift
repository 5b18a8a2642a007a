import Quantization
import Tensors
import Testing

struct GridSchemeTests {
  @Test func sixteenNamesAndNoOthers() {
    #expect(GridScheme.allNames.count == 16)
    #expect(Set(GridScheme.allNames).count == 16)
    for name in GridScheme.allNames { #expect(GridScheme(name: name)?.name == name) }
    for name in ["", "int4", "int4-g16", "int3-g32", "int8-row-max", "INT4-g32"] { #expect(GridScheme(name: name) == nil) }
    #expect(GridScheme(bits: 5, group: 32, hasMinimum: false) == nil)
    #expect(GridScheme(bits: 4, group: 48, hasMinimum: false) == nil)
  }

  @Test func bitsPerWeightCountScalesMinimumsAndPadding() {
    #expect(scheme("int4-g32").bitsPerWeight(columns: 64) == 4.5)
    #expect(scheme("int4-g32-min").bitsPerWeight(columns: 64) == 5)
    #expect(scheme("int8-row").bitsPerWeight(columns: 576) == 8 + 16.0 / 576)
    #expect(scheme("int4-g32").bitsPerWeight(columns: 33) == Double(17 * 8 + 2 * 16) / 33)
  }

  @Test func jsonFormIsTheName() throws {
    let bytes = try encodeJSON([scheme("int8-g128-min")])
    #expect(String(decoding: bytes, as: UTF8.self) == "[\"int8-g128-min\"]")
    let back = try bytes.withUnsafeBytesTyped { (bytes) throws(LMToolError) in try decodeJSON([GridScheme].self, bytes: bytes) }
    #expect(back == [scheme("int8-g128-min")])
    let unknown = Array("[\"int2-g32\"]".utf8)
    #expect(throws: LMToolError.self) {
      try unknown.withUnsafeBytesTyped { (bytes) throws(LMToolError) in try decodeJSON([GridScheme].self, bytes: bytes) }
    }
  }

  /// Rule Q-1.
  @Test func shapesThatAreNoMatrixOrTooLargeAreRefused() {
    for shape in [[], [4], [2, 2, 2], [0, 4], [4, 0], [-1, 4], [1 << 21, 1 << 20], [Int.max, 2]] {
      #expect(rule { () throws(LMToolError) in _ = try GridLayout(shape: shape, scheme: scheme("int4-row")) } == "Q-1")
    }
  }
}
