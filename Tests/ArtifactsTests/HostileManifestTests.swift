import Artifacts
import Tensors
import TestSupport
import Testing

/// Manifests that claim what is not so. The header and the manifest's hash are right.
struct HostileManifestTests {
  private let zero = HostileFile.frame([0])
  private var size: Int { zero.count }

  private func rule(_ file: HostileFile) throws -> String? {
    let scratch = TestFolder()
    return refusal(try scratch.write(try file.bytes()))?.rule
  }

  private func rule(tensors: [JSONValue], frames: Int) throws -> String? {
    var file = HostileFile()
    file.frames = [[UInt8]](repeating: zero, count: frames)
    file.tensors = tensors
    return try rule(file)
  }

  private func int8(_ name: String, at offset: Int) -> JSONValue {
    HostileFile.tensor(
      name, [1, 1], "int8-row", [HostileFile.stream(offset, 1, [size]), HostileFile.stream(offset + size, 2, [size, size])])
  }

  @Test func goodManifestsAndUnknownKeysAreAccepted() throws {
    #expect(try rule(tensors: [int8("a", at: 64), int8("b", at: 64 + 3 * size)], frames: 6) == nil)
    var file = HostileFile()
    file.more = ["future": .array([.int(1)])]
    #expect(try rule(file) == nil)
  }

  /// Rule LMZ-9.
  @Test func overlapsHolesAndOffsetsOutsideTheFileAreRefused() throws {
    #expect(try rule(tensors: [int8("a", at: 64), int8("b", at: 64)], frames: 6) == "LMZ-9")
    #expect(try rule(tensors: [int8("a", at: 64), int8("b", at: 65 + 3 * size)], frames: 6) == "LMZ-9")
    #expect(try rule(tensors: [int8("a", at: 64 + size)], frames: 4) == "LMZ-9")
    #expect(try rule(tensors: [int8("a", at: 0)], frames: 3) == "LMZ-9")
    #expect(try rule(tensors: [int8("a", at: -64)], frames: 3) == "LMZ-9")
    #expect(try rule(tensors: [int8("a", at: 64)], frames: 4) == "LMZ-9")
  }

  /// Rule LMZ-8.
  @Test func framesThatDoNotFitIntoTheFileAreRefused() throws {
    func scalar(_ lengths: [Int]) -> JSONValue { HostileFile.tensor("a", [1], "F32", [HostileFile.stream(64, 4, lengths)]) }
    #expect(try rule(tensors: [scalar([size, size, size, size + 1])], frames: 4) == "LMZ-8")
    #expect(try rule(tensors: [scalar([size, size, size, Int.max])], frames: 4) == "LMZ-8")
    #expect(try rule(tensors: [scalar([size, size, size, 0])], frames: 3) == "LMZ-8")
    #expect(try rule(tensors: [scalar([size, size, size, -size])], frames: 2) == "LMZ-8")
    #expect(try rule(tensors: [scalar([size, size, size])], frames: 3) == "LMZ-8")
    #expect(try rule(tensors: [scalar([size, size, size, size, size])], frames: 5) == "LMZ-8")
  }

  /// Rules LMZ-12 and LMZ-13.
  @Test func streamsThatDoNotFitTheShapeAreRefused() throws {
    let stream = HostileFile.stream(64, 4, [size, size, size, size])
    #expect(try rule(tensors: [HostileFile.tensor("a", [2], "F32", [stream])], frames: 4) == "LMZ-12")
    #expect(try rule(tensors: [HostileFile.tensor("a", [1], "F16", [stream])], frames: 4) == "LMZ-12")
    #expect(try rule(tensors: [HostileFile.tensor("a", [1], "F32", [stream, stream])], frames: 4) == "LMZ-12")
    #expect(try rule(tensors: [HostileFile.tensor("a", [1], "F32", [])], frames: 0) == "LMZ-12")
    let codes = HostileFile.stream(64, 1, [size])
    #expect(try rule(tensors: [HostileFile.tensor("a", [1, 1], "int8-row", [codes])], frames: 1) == "LMZ-13")
    #expect(try rule(tensors: [HostileFile.tensor("a", [1, 4], "int8-row", [codes, codes])], frames: 1) == "LMZ-13")
    #expect(try rule(tensors: [HostileFile.tensor("a", [1], "int8-row", [codes, codes])], frames: 1) == "LMZ-13")
  }

  /// Rule LMZ-11.
  @Test func unknownTypesAndImpossibleShapesAreRefused() throws {
    let stream = HostileFile.stream(64, 4, [size, size, size, size])
    for type in ["F64", "I8", "int3-g32", "Q4_0", "", "f32"] {
      #expect(try rule(tensors: [HostileFile.tensor("a", [1], type, [stream])], frames: 4) == "LMZ-11")
    }
    let shapes = [[], [0], [-1], [1, -1], [Int.max, 2], [1 << 41], [Int](repeating: 1, count: 9), [Int.max, Int.max]]
    for shape in shapes {
      #expect(try rule(tensors: [HostileFile.tensor("a", shape, "F32", [stream])], frames: 4) == "LMZ-11")
    }
  }

  /// Rules LMZ-11 and LMZ-15.
  @Test func duplicateAndUnprintableNamesAreRefused() throws {
    #expect(try rule(tensors: [int8("a", at: 64), int8("a", at: 64 + 3 * size)], frames: 6) == "LMZ-11")
    #expect(try rule(tensors: [int8("", at: 64)], frames: 3) == "LMZ-11")
    #expect(try rule(tensors: [int8("a\n", at: 64)], frames: 3) == "LMZ-11")
    let blob = JSONValue.object([
      "name": .string("b"), "sha256": .string(Digest.hex([])), "stream": HostileFile.stream(64, 0, []),
    ])
    var file = HostileFile()
    file.blobs = [blob]
    #expect(try rule(file) == nil)
    file.blobs = [blob, blob]
    #expect(try rule(file) == "LMZ-15")
    file.blobs = [blob]
    file.more = ["tokenizer": .string("c")]
    #expect(try rule(file) == "LMZ-15")
  }

  /// Rules LMZ-14 and LMZ-17.
  @Test func hashesThatAreNoneAreRefused() throws {
    for hash in ["", "abc", String(repeating: "A", count: 64), String(repeating: "g", count: 64)] {
      let stream = HostileFile.stream(64, 4, [size, size, size, size])
      #expect(try rule(tensors: [HostileFile.tensor("a", [1], "F32", sha256: hash, [stream])], frames: 4) == "LMZ-14")
      var file = HostileFile()
      file.payloadHash = hash
      #expect(try rule(file) == "LMZ-17")
    }
  }

  /// Rule LMZ-10.
  @Test func aFileThatClaimsToUnpackToFarMoreThanItsSizeIsRefused() throws {
    let frame = HostileFile.frame([UInt8](repeating: 0, count: 4 << 20))
    var file = HostileFile()
    let blocks = 100
    file.frames = [[UInt8]](repeating: frame, count: blocks)
    let raw = blocks << 22
    file.blobs = [
      .object([
        "name": .string("bomb"), "sha256": .string(String(repeating: "0", count: 64)),
        "stream": HostileFile.stream(64, raw, [Int](repeating: frame.count, count: blocks)),
      ])
    ]
    #expect(try rule(file) == "LMZ-10")
  }

  /// Rule LMZ-16.
  @Test func manifestsOfAnotherFormAreRefused() throws {
    let scratch = TestFolder()
    let file = HostileFile()
    for text in ["", "{", "[]", "null", "{}", "\u{0}", "{\"format\": \"1\"}", String(repeating: "[", count: 100_000)]
    where text != "" {
      let error = refusal(try scratch.write(try file.bytes(json: Array(text.utf8))))
      #expect(error?.rule == "LMZ-16", "\(text.prefix(20))")
    }
    var newer = file
    newer.more = ["format": .int(2)]
    #expect(try rule(newer) == "LMZ-16")
    var negative = file
    negative.more = ["tensors": .array([.object(["name": .int(1)])])]
    #expect(try rule(negative) == "LMZ-16")
  }

  /// Rules LMZ-4 and LMZ-5.
  @Test func manifestsOfAnotherLengthAreRefusedBeforeTheyAreUnpacked() throws {
    let scratch = TestFolder()
    let file = HostileFile()
    let json = try encodeJSON(file.manifest)
    func rule(_ rawLength: Int, _ frame: [UInt8]? = nil) throws -> String? {
      refusal(try scratch.write(try file.bytes(json: json, frame: frame, rawLength: rawLength)))?.rule
    }
    #expect(try rule(json.count) == nil)
    #expect(try rule(0) == "LMZ-4")
    #expect(try rule(64_000_001) == "LMZ-4")
    #expect(try rule(0xFFFF_FFFF) == "LMZ-4")
    #expect(try rule(json.count - 1) == "LMZ-5")
    #expect(try rule(64_000_000) == "LMZ-5")
    #expect(try rule(json.count, HostileFile.frame([UInt8](repeating: 32, count: 80 << 20))) == "LMZ-5")
    #expect(try rule(json.count, json) == "LMZ-5")
  }

  /// Rule LMZ-2.
  @Test func otherVersionsAndFlagsAreRefused() throws {
    let scratch = TestFolder()
    for position in 8..<16 {
      var file = try HostileFile().bytes()
      file[position] ^= 2
      #expect(refusal(try scratch.write(file))?.rule == "LMZ-2")
    }
  }
}
