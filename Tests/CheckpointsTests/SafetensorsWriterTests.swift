import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Writing safetensors: SAFETENSORS-12.
struct SafetensorsWriterTests {
  let folder: TestFolder
  let path: String

  init() throws {
    folder = TestFolder()
    path = folder.path + "/out.safetensors"
  }

  private func write(_ writer: SafetensorsWriter, raw bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { try writer.write(raw: $0) }
  }

  @Test func writesTheHeaderOfTheRule() throws {
    let entries = [
      SafetensorsEntry(name: "b", dtype: .u8, shape: [3]), SafetensorsEntry(name: "a\"", dtype: .f16, shape: []),
    ]
    let writer = try SafetensorsWriter(path: path, entries: entries, metadata: ["z": "1", "format": "pt"])
    try write(writer, raw: [1, 2])
    try write(writer, raw: [3])
    try write(writer, raw: [0, 0x3C])
    try writer.finish()
    let header =
      "{\"__metadata__\":{\"format\":\"pt\",\"z\":\"1\"},\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
      + "\"a\\\"\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[3,5]}}"
    let padding = (64 - (8 + header.utf8.count) % 64) % 64
    let padded = header + String(repeating: " ", count: padding)
    #expect(try contents(path) == safetensors(padded, [1, 2, 3, 0, 0x3C]))
  }

  @Test func readsBackWhatItWrote() throws {
    let values: [Float] = [0, -0, 1.5, .infinity, -.infinity, 65504, 6e-8]
    let types: [DType] = [.f64, .f32, .f16, .bf16]
    let writer = try SafetensorsWriter(
      path: path, entries: types.map { SafetensorsEntry(name: $0.rawValue, dtype: $0, shape: [7, 1]) })
    for _ in types { try writer.write(floats: values) }
    try writer.finish()
    let file = try SafetensorsFile(path: path)
    #expect(Array(file.tensors.keys) == types.map(\.rawValue))
    #expect(file.metadata.isEmpty)
    #expect(bits(try #require(file.tensors["F32"]).readAll()) == bits(values))
    #expect(bits(try #require(file.tensors["F64"]).readAll()) == bits(values))
    #expect(try file.tensors["F16"]?.readAll() == [0, -0, 1.5, .infinity, -.infinity, 65504, 0x1p-24])
    #expect(try file.tensors["BF16"]?.readAll().prefix(6) == [0, -0, 1.5, .infinity, -.infinity, 65536])
  }

  @Test func keepsNaN() throws {
    let writer = try SafetensorsWriter(path: path, entries: [SafetensorsEntry(name: "a", dtype: .bf16, shape: [1])])
    try writer.write(floats: [.nan])
    try writer.finish()
    #expect(try SafetensorsFile(path: path).tensors["a"]?.readAll()[0].isNaN == true)
  }

  @Test func takesFloatsInPiecesOfAnySize() throws {
    let values = (0..<100_003).map { Float($0) / 7 }
    func file(_ name: String, _ piece: Int) throws -> [UInt8] {
      let path = folder.path + "/" + name
      let writer = try SafetensorsWriter(path: path, entries: [SafetensorsEntry(name: "a", dtype: .f16, shape: [values.count])])
      for start in stride(from: 0, to: values.count, by: piece) {
        try writer.write(floats: Array(values[start..<min(start + piece, values.count)]))
      }
      try writer.finish()
      return try contents(path)
    }
    #expect(try file("whole", values.count) == file("pieces", 999))
  }

  @Test func skipsTensorsWithoutElements() throws {
    let shapes = [[0], [2], [3, 0], [1], [0]]
    let entries = shapes.enumerated().map { SafetensorsEntry(name: "t\($0)", dtype: .f32, shape: $1) }
    let writer = try SafetensorsWriter(path: path, entries: entries)
    try writer.write(floats: [1, 2])
    try writer.write(floats: [])
    try writer.write(floats: [3])
    try writer.finish()
    let file = try SafetensorsFile(path: path)
    #expect(file.tensors.count == 5)
    #expect(try file.tensors["t3"]?.readAll() == [3])
  }

  @Test func copiesAModelByteForByteAsItsOwnReaderSeesIt() throws {
    let model = try SafetensorsCheckpoint(path: Fixtures.path("stories260K/model.safetensors"))
    let entries = model.tensors.values.map { SafetensorsEntry(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
    let writer = try SafetensorsWriter(path: path, entries: entries, metadata: model.metadata)
    for tensor in model.tensors.values { try tensor.withBytes { (bytes) throws(LMToolError) in try writer.write(raw: bytes) } }
    try writer.finish()
    let copy = try SafetensorsFile(path: path)
    #expect(copy.metadata == model.metadata)
    for (tensor, other) in zip(model.tensors.values, copy.tensors.values) {
      #expect(tensor.name == other.name && tensor.shape == other.shape)
      #expect(tensor.withBytes { Array($0) } == other.withBytes { Array($0) })
    }
  }

  @Test func refusesNamesAndShapesThatCannotBe() {
    func refuse(_ rule: String?, _ entries: [SafetensorsEntry]) {
      expectRefusal(rule) { _ = try SafetensorsWriter(path: path, entries: entries) }
    }
    let entry = SafetensorsEntry(name: "a", dtype: .u8, shape: [1])
    refuse("SAFETENSORS-7", [entry, entry])
    refuse("SAFETENSORS-7", [SafetensorsEntry(name: "__metadata__", dtype: .u8, shape: [1])])
    refuse("SAFETENSORS-5", [SafetensorsEntry(name: "a", dtype: .f64, shape: [1 << 61])])
    refuse("SAFETENSORS-5", [SafetensorsEntry(name: "a", dtype: .u8, shape: [-1])])
    refuse("SAFETENSORS-5", ["a", "b", "c"].map { SafetensorsEntry(name: $0, dtype: .u8, shape: [1 << 62]) })
    #expect(folder.names.isEmpty)
  }

  @Test func leavesNothingBehindWhenElementsAreMissingOrTooMany() throws {
    func attempt(_ body: (SafetensorsWriter) throws -> Void) {
      expectRefusal(nil, code: .bug) {
        let entries = [SafetensorsEntry(name: "a", dtype: .f32, shape: [2]), SafetensorsEntry(name: "b", dtype: .u8, shape: [1])]
        let writer = try SafetensorsWriter(path: path, entries: entries)
        try body(writer)
        try writer.finish()
      }
    }
    attempt { _ in }
    attempt { try $0.write(floats: [1]) }
    attempt { try $0.write(floats: [1, 2, 3]) }
    attempt { try write($0, raw: [UInt8](repeating: 0, count: 9)) }
    attempt { writer in
      try writer.write(floats: [1, 2])
      try writer.write(floats: [3])
    }
    attempt { writer in
      try writer.write(floats: [1, 2])
      try write(writer, raw: [1])
      try write(writer, raw: [1])
    }
    #expect(folder.names.isEmpty)
  }

  @Test func refusesAFolderThatIsNotThere() {
    expectRefusal(nil, code: .cannotCreate) { _ = try SafetensorsWriter(path: folder.path + "/none/a", entries: []) }
  }
}
