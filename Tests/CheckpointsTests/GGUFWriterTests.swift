import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Writing GGUF: GGUF-15.
struct GGUFWriterTests {
  let folder = TestFolder()

  /// Copies the file at `source`, tensors in pieces of `piece` bytes.
  private func copy(_ source: String, to target: String, piece: Int) throws {
    let file = try GGUFFile(path: source)
    let entries = file.tensors.values.map { GGUFTensorEntry(name: $0.name, shape: $0.shape, type: $0.type) }
    let writer = try GGUFWriter(path: target, metadata: file.metadata, tensors: entries)
    for tensor in file.tensors.values {
      let stored = tensor.withBytes { Array($0) }
      for start in stride(from: 0, to: stored.count, by: piece) {
        let part = Array(stored[start..<min(start + piece, stored.count)])
        try part.withUnsafeBytes { try writer.write(raw: $0) }
      }
    }
    try writer.finish()
  }

  @Test(arguments: ["stories260K/stories260K-f32.gguf", "gguf/blocks.gguf"], [100, 1 << 20])
  func copiesTheFilesOfOtherWritersByteForByte(name: String, piece: Int) throws {
    let target = folder.path + "/copy.gguf"
    try copy(Fixtures.path(name), to: target, piece: piece)
    #expect(try contents(target) == contents(Fixtures.path(name)))
  }

  @Test func writesAnyKindOfMetadata() throws {
    let metadata: OrderedDictionary<String, GGUFValue> = [
      "z": .array(.uint8([1, 2])), "y": .array(.int8([-1])), "x": .array(.uint16([3])), "w": .array(.int16([-4])),
      "v": .array(.uint32([5])), "u": .array(.uint64([6])), "t": .array(.int64([-7])), "s": .array(.float64([0.5])),
      "r": .array(.string([])), "q": .string(""), "p": .float32(-.infinity),
    ]
    let path = folder.path + "/metadata.gguf"
    try GGUFWriter(path: path, metadata: metadata, tensors: []).finish()
    #expect(try GGUFFile(path: path).metadata == metadata)
  }

  @Test func convertsFloats() throws {
    let path = folder.path + "/floats.gguf"
    let types: [GGMLType] = [.f64, .f32, .f16, .bf16]
    let writer = try GGUFWriter(
      path: path, metadata: [:], tensors: types.map { GGUFTensorEntry(name: $0.name, shape: [1, 3], type: $0) })
    for _ in types { try [0.5, -2, .infinity].withUnsafeBufferPointer { try writer.write(floats: $0) } }
    try writer.finish()
    let file = try GGUFFile(path: path)
    for type in types { #expect(try file.tensors[type.name]?.readAll() == [0.5, -2, .infinity]) }
  }

  @Test func usesTheAlignmentOfTheMetadata() throws {
    let path = folder.path + "/aligned.gguf"
    let entries = ["a", "b"].map { GGUFTensorEntry(name: $0, shape: [1], type: .i8) }
    let writer = try GGUFWriter(path: path, metadata: ["general.alignment": .uint32(128)], tensors: entries)
    try [UInt8(1), 2].forEach { byte in try [byte].withUnsafeBytes { try writer.write(raw: $0) } }
    try writer.finish()
    #expect(try contents(path).count % 128 == 0)
    #expect(try GGUFFile(path: path).tensors["b"]?.readAll() == [2])
  }

  @Test func refusesWhatOtherReadersWouldNotRead() {
    let path = folder.path + "/refused.gguf"
    func expect(_ rule: String, _ metadata: OrderedDictionary<String, GGUFValue>, _ tensors: [GGUFTensorEntry]) {
      expectRefusal(rule) { _ = try GGUFWriter(path: path, metadata: metadata, tensors: tensors) }
    }
    expect("GGUF-4", ["": .bool(true)], [])
    expect("GGUF-7", ["general.alignment": .uint32(3)], [])
    expect("GGUF-8", [:], [GGUFTensorEntry(name: String(repeating: "n", count: 64), shape: [1], type: .f32)])
    expect("GGUF-8", [:], [GGUFTensorEntry(name: "", shape: [1], type: .f32)])
    expect("GGUF-8", [:], [GGUFTensorEntry](repeating: GGUFTensorEntry(name: "a", shape: [1], type: .f32), count: 2))
    expect("GGUF-9", [:], [GGUFTensorEntry(name: "a", shape: [1, 1, 1, 1, 1], type: .f32)])
    expect("GGUF-9", [:], [GGUFTensorEntry(name: "a", shape: [33], type: .q4_0)])
    expect("GGUF-9", [:], [GGUFTensorEntry](["a", "b"].map { GGUFTensorEntry(name: $0, shape: [1 << 62], type: .i8) }))
    #expect(folder.names.isEmpty)
  }

  @Test func leavesNothingBehindWhenBytesAreMissingOrTooMany() throws {
    let path = folder.path + "/broken.gguf"
    func write(_ count: Int) throws {
      let writer = try GGUFWriter(path: path, metadata: [:], tensors: [GGUFTensorEntry(name: "a", shape: [4], type: .i8)])
      try [UInt8](repeating: 1, count: count).withUnsafeBytes { try writer.write(raw: $0) }
      try writer.finish()
    }
    expectRefusal(nil, code: .bug) { try write(3) }
    expectRefusal(nil, code: .bug) { try write(5) }
    #expect(folder.names.isEmpty)
    try write(4)
    #expect(folder.names == ["broken.gguf"])
  }
}
