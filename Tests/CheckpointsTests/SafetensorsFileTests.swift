import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// A safetensors file with the given header text and data.
func safetensors(_ header: String, _ data: [UInt8] = []) -> [UInt8] {
  bytes(UInt64(header.utf8.count)) + bytes(header) + data
}

/// Hostile and odd safetensors files: `formats/safetensors.md`.
struct SafetensorsFileTests {
  let folder = TestFolder()

  private func open(_ bytes: [UInt8]) throws -> SafetensorsFile {
    try SafetensorsFile(path: try folder.write("model.safetensors", bytes))
  }

  private func entry(_ name: String, _ begin: Int, _ end: Int, dtype: String = "U8", shape: String? = nil) -> String {
    "\"\(name)\":{\"dtype\":\"\(dtype)\",\"shape\":[\(shape ?? String(end - begin))],\"data_offsets\":[\(begin),\(end)]}"
  }

  @Test func readsTheModelOfTheFixture() throws {
    let file = try SafetensorsFile(path: Fixtures.path("stories260K/model.safetensors"))
    #expect(file.tensors.count == 47)
    let embedding = try #require(file.tensors["model.embed_tokens.weight"])
    #expect(embedding.shape == [512, 64])
    #expect(embedding.storage == .plain(.f32))
    #expect(embedding.storedBytes == 512 * 64 * 4)
    let norm = try #require(file.tensors["model.norm.weight"]).readAll()
    #expect(norm.count == 64 && norm.allSatisfy { $0 > 0.1 && $0 < 20 })
    #expect(try read(embedding, 1000..<1010) == Array(try embedding.readAll()[1000..<1010]))
  }

  @Test func listsTensorsInTheOrderOfTheirOffsets() throws {
    let header = "{\(entry("b", 0, 2)),\(entry("z", 2, 2)),\(entry("y", 2, 2)),\(entry("a", 2, 5))}"
    let file = try open(safetensors(header, [1, 2, 3, 4, 5]))
    #expect(Array(file.tensors.keys) == ["b", "y", "z", "a"])
    #expect(try file.tensors["a"]?.readAll() == [3, 4, 5])
    #expect(try file.tensors["y"]?.readAll() == [])
    #expect(file.tensors["a"]?.withBytes { Array($0) } == [3, 4, 5])
  }

  /// All bit patterns, against what torch makes of them (fixtures/pytorch/make_pytorch.py).
  @Test(arguments: ["e4m3", "e5m2"]) func readsEvery8BitFloat(name: String) throws {
    let tensors = try SafetensorsFile(path: Fixtures.path("pytorch/float8.safetensors")).tensors
    let values = try #require(tensors[name]).readAll(), expected = try #require(tensors[name + " as f32"]).readAll()
    #expect(values.count == 256)
    #expect(zip(values, expected).allSatisfy { $0.isNaN ? $1.isNaN : $0.bitPattern == $1.bitPattern })
  }

  @Test func readsMetadataAndTrailingSpaces() throws {
    let file = try open(safetensors("{\"__metadata__\":{\"format\":\"pt\"},\(entry("a", 0, 1))}   ", [7]))
    #expect(file.metadata == ["format": "pt"])
    #expect(file.tensors.count == 1)
  }

  @Test func acceptsAFileWithoutTensors() throws {
    #expect(try open(safetensors("{}")).tensors.isEmpty)
  }

  @Test func acceptsNamesAndMetadataThatReadDataOffsets() throws {
    let header = "{\"__metadata__\":{\"data_offsets\":\"data_offsets\"},\(entry("data_offsets", 0, 1))}"
    #expect(try open(safetensors(header, [7])).tensors.count == 1)
  }

  @Test func readsEveryElementTypeAsFloats() throws {
    let cases: [(DType, [UInt8], [Float])] = [
      (.f64, bytes((1.0 / 3).bitPattern) + bytes((-2.5).bitPattern), [1.0 / 3, -2.5]),
      (.f32, bytes([0.1, -.infinity]), [0.1, -.infinity]),
      (.f16, bytes(UInt16(0x3C00)) + bytes(UInt16(0xC100)), [1, -2.5]),
      (.bf16, bytes(UInt16(0x3F80)) + bytes(UInt16(0xC020)), [1, -2.5]),
      (.f8e4m3, [0x38, 0xC1], [1, -2.25]),
      (.f8e5m2, [0x3C, 0xC1], [1, -2.5]),
      (.i64, bytes(Int64.min) + bytes(Int64(7)), [-0x1p63, 7]),
      (.i32, bytes(Int32(-70000)) + bytes(Int32(7)), [-70000, 7]),
      (.i16, bytes(Int16(-300)) + bytes(Int16(7)), [-300, 7]),
      (.i8, [0x80, 7], [-128, 7]),
      (.u64, bytes(UInt64.max) + bytes(UInt64(7)), [0x1p64, 7]),
      (.u32, bytes(UInt32(4_000_000_000)) + bytes(UInt32(7)), [4_000_000_000, 7]),
      (.u16, bytes(UInt16(65535)) + bytes(UInt16(7)), [65535, 7]),
      (.u8, [255, 7], [255, 7]),
      (.bool, [1, 0], [1, 0]),
    ]
    #expect(Set(cases.map(\.0)) == Set(DType.allCases))
    for (dtype, data, expected) in cases {
      // One byte before it, so that no element is aligned.
      let header = "{\(entry("pad", 0, 1)),\(entry("a", 1, 1 + data.count, dtype: dtype.rawValue, shape: "2"))}"
      let tensor = try #require(try open(safetensors(header, [0] + data)).tensors["a"])
      #expect(try tensor.readAll() == expected, "\(dtype)")
      #expect(try read(tensor, 1..<2) == [expected[1]], "\(dtype)")
    }
  }

  @Test(arguments: [
    [], [1, 2, 3], bytes(UInt64(0)), bytes(UInt64(1)) + bytes("{"), bytes(UInt64(3)) + bytes("{}"),
    bytes(UInt64.max) + bytes("{}"),
    bytes(UInt64(1) << 63) + bytes("{}"), bytes(UInt64(100_000_001)) + bytes("{}"),
  ])
  func refusesHeaderLengthsThatDoNotFit(file: [UInt8]) throws {
    expectRefusal("SAFETENSORS-1") { _ = try open(file) }
  }

  @Test func refusesEveryTruncation() throws {
    let whole = safetensors("{\(entry("a", 0, 2)),\(entry("b", 2, 4))}", [1, 2, 3, 4])
    for length in 0..<whole.count {
      #expect(throws: LMToolError.self) { try open(Array(whole[0..<length])) }
    }
    #expect(try open(whole).tensors.count == 2)
  }

  @Test(arguments: ["[]", " {}", "\u{FEFF}{}"])
  func refusesHeadersThatDoNotBeginWithABrace(header: String) {
    expectRefusal("SAFETENSORS-2") { _ = try open(safetensors(header)) }
  }

  @Test(arguments: [
    "{\"a\"}", "{\"a\":3}", "{\"a\":{}}", "{\"a\":{\"dtype\":\"U8\",\"shape\":[0]}}", "{} x",
    "{\"a\":{\"dtype\":8,\"shape\":[0],\"data_offsets\":[0,0]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":0,\"data_offsets\":[0,0]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[0.5],\"data_offsets\":[0,0]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[99999999999999999999],\"data_offsets\":[0,0]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0,0]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":1}}",
    "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[00],\"data_offsets\":[0,0]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[0,],\"data_offsets\":[0,0]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[1e0],\"data_offsets\":[0,0]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[-],\"data_offsets\":[0,0]}}",
    "{\"a\\\\", "{\"a\\u12\":{}}", "{\"a\tb\":{}}", "{,}",
    "{\"__metadata__\":{\"a\":1}}", "{\"__metadata__\":[]}",
  ])
  func refusesHeadersThatAreNotTheJSONOfTheFormat(header: String) {
    expectRefusal("SAFETENSORS-3") { _ = try open(safetensors(header)) }
  }

  @Test func refusesMoreThan64Dimensions() throws {
    func shape(_ rank: Int) -> String { [String](repeating: "1", count: rank).joined(separator: ",") }
    #expect(try open(safetensors("{\(entry("a", 0, 1, shape: shape(64)))}", [1])).tensors["a"]?.shape.count == 64)
    expectRefusal("SAFETENSORS-3") { _ = try open(safetensors("{\(entry("a", 0, 1, shape: shape(65)))}", [1])) }
  }

  @Test func readsNamesWithEscapesAndBeyondASCII() throws {
    let file = try open(safetensors("{ \(entry("a\\\"\\u00fc\\ud83d\\ude00", 0, 1)) ,\n\t\(entry("größe", 1, 2))\r}", [1, 2]))
    #expect(Array(file.tensors.keys) == ["a\"ü😀", "größe"])
  }

  @Test func refusesAHeaderThatIsNotUTF8() {
    expectRefusal("SAFETENSORS-3") { _ = try open(bytes(UInt64(6)) + bytes("{\"") + [0xFF] + bytes("\":}")) }
  }

  @Test func refusesDeepNesting() {
    let header = "{\"a\":" + String(repeating: "[", count: 100_000)
    expectRefusal("SAFETENSORS-3") { _ = try open(safetensors(header)) }
  }

  @Test(arguments: ["F8_E8M0", "F4", "f32", "", "\u{1B}[31m"])
  func refusesUnknownElementTypesByName(dtype: String) {
    let json = dtype.replacing("\u{1B}", with: "\\u001B")
    let error = expectRefusal("SAFETENSORS-4") { _ = try open(safetensors("{\(entry("a", 0, 1, dtype: json))}", [1])) }
    #expect(error?.message.contains("\u{1B}") == false)
  }

  @Test(arguments: ["-1", "9223372036854775807,2", "4611686018427387904,4", "3037000500,3037000500"])
  func refusesShapesThatOverflow(shape: String) {
    expectRefusal("SAFETENSORS-5") { _ = try open(safetensors("{\(entry("a", 0, 1, shape: shape))}", [1])) }
  }

  @Test func refusesAByteCountThatOverflows() {
    let header = "{\(entry("a", 0, 0, dtype: "F64", shape: "2305843009213693952"))}"
    expectRefusal("SAFETENSORS-5") { _ = try open(safetensors(header)) }
  }

  @Test(arguments: [
    "[0,5]", "[-1,3]", "[3,1]", "[0]", "[]", "[9223372036854775807,9223372036854775807]", "[0,3]", "[1,4]",
  ])
  func refusesOffsetsThatLieOutsideOrDoNotMatchTheShape(offsets: String) {
    let header = "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":\(offsets)}}"
    expectRefusal("SAFETENSORS-6") { _ = try open(safetensors(header, [1, 2, 3, 4])) }
  }

  @Test func refusesATensorThatIsNamedTwice() {
    let twice = "{\(entry("a", 0, 1)),\(entry("a", 0, 1))}"
    expectRefusal("SAFETENSORS-7") { _ = try open(safetensors(twice, [1])) }
    let elsewhere = "{\(entry("a", 0, 1)),\(entry("a", 1, 2))}"
    expectRefusal("SAFETENSORS-7") { _ = try open(safetensors(elsewhere, [1, 2])) }
    let escaped = "{\(entry("a", 0, 1)),\(entry("\\u0061", 0, 1))}"
    expectRefusal("SAFETENSORS-7") { _ = try open(safetensors(escaped, [1])) }
    expectRefusal("SAFETENSORS-7") { _ = try open(safetensors("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}")) }
    expectRefusal("SAFETENSORS-7") { _ = try open(safetensors("{\"__metadata__\":{\"a\":\"\"},\"__metadata__\":{\"b\":\"\"}}")) }
  }

  @Test func refusesHoles() {
    let between = "{\(entry("a", 0, 1)),\(entry("b", 2, 3))}"
    expectRefusal("SAFETENSORS-8") { _ = try open(safetensors(between, [1, 2, 3])) }
    expectRefusal("SAFETENSORS-8") { _ = try open(safetensors("{\(entry("a", 1, 2))}", [1, 2])) }
    expectRefusal("SAFETENSORS-8") { _ = try open(safetensors("{\(entry("a", 0, 1))}", [1, 2])) }
    expectRefusal("SAFETENSORS-8") { _ = try open(safetensors("{}", [1])) }
  }

  @Test func refusesOverlaps() {
    let header = "{\(entry("a", 0, 2)),\(entry("b", 1, 3))}"
    let error = expectRefusal("SAFETENSORS-8") { _ = try open(safetensors(header, [1, 2, 3])) }
    #expect(error?.place == .tensor("b"))
    expectRefusal("SAFETENSORS-8") { _ = try open(safetensors("{\(entry("a", 0, 2)),\(entry("b", 0, 2))}", [1, 2])) }
  }

  /// Every single-byte change of a small header either opens or is refused, and what opens can be read.
  @Test func survivesEveryFlippedByte() throws {
    let whole = safetensors(
      "{\(entry("a", 0, 8, dtype: "F16", shape: "2,2")),\(entry("b", 8, 12))}", [UInt8](repeating: 1, count: 12))
    for index in 0..<(whole.count - 12) {
      for mask: UInt8 in [1, 2, 4, 8, 0x10, 0x80, 0xFF] {
        var damaged = whole
        damaged[index] ^= mask
        guard let file = try? open(damaged) else { continue }
        for tensor in file.tensors.values { #expect(try tensor.readAll().count == tensor.count) }
      }
    }
  }

  @Test func saysWhichFileIsMissing() {
    let error = expectRefusal(nil, code: .missingInput) { _ = try SafetensorsFile(path: folder.path + "/none") }
    #expect(error?.file == folder.path + "/none")
  }
}
