import Artifacts
import Tensors
import TestSupport
import Testing

/// Frames that are not what the manifest says. The header and all hashes are right.
struct HostileFrameTests {
  private let zero = HostileFile.frame([0])

  private func reading(_ file: HostileFile) throws -> LMToolError? {
    let scratch = TestFolder()
    let artifact = try Artifact(path: try scratch.write(try file.bytes()))
    let findings = artifact.verifyBytes()
    do throws(LMToolError) { _ = try artifact.tensor("x")?.readAll() } catch {
      #expect(findings.contains { $0.rule == error.rule })
      return error
    }
    return nil
  }

  private func scalar(last frame: [UInt8]) -> HostileFile { .scalar(frames: [zero, zero, zero, frame]) }

  @Test func aGoodFrameIsRead() throws {
    #expect(try reading(scalar(last: zero)) == nil)
  }

  /// Rule LMZ-5.
  @Test func framesThatDecodeToMoreOrLessAreRefused() throws {
    #expect(try reading(scalar(last: HostileFile.frame([0, 0])))?.rule == "LMZ-5")
    #expect(try reading(scalar(last: HostileFile.frame([])))?.rule == "LMZ-5")
  }

  /// Rule LMZ-5.
  @Test func aDecompressionBombInAFrameIsRefusedBeforeItIsUnpacked() throws {
    let bomb = HostileFile.frame([UInt8](repeating: 0, count: 64 << 20))
    let error = try reading(scalar(last: bomb))
    #expect(error?.rule == "LMZ-5" && error?.message.contains("67108864") == true)
  }

  /// Rule LMZ-5.
  @Test func framesWithoutContentSizeOrChecksumAreRefused() throws {
    #expect(try reading(scalar(last: HostileFile.frame([0], size: 0)))?.rule == "LMZ-5")
    #expect(try reading(scalar(last: HostileFile.frame([0], checksum: 0)))?.rule == "LMZ-5")
  }

  /// Rule LMZ-5.
  @Test func aContentSizeThatLiesIsRefused() throws {
    var frame = zero
    frame[5] = 2
    #expect(try reading(scalar(last: frame))?.rule == "LMZ-5")
    var file = scalar(last: frame)
    file.tensors = [
      HostileFile.tensor("x", [2], "F32", [HostileFile.stream(64, 8, file.frames.map(\.count))])
    ]
    #expect(try reading(file)?.rule == "LMZ-5")
  }

  /// Rule LMZ-5.
  @Test func aWindowOfMoreThan8MiBIsRefused() throws {
    // Magic, descriptor (4-byte content size 1, checksum, not a single segment), window descriptor, one raw block of one byte.
    func frame(window: UInt8) -> [UInt8] {
      var frame: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0x84, window, 1, 0, 0, 0, 0x09, 0, 0, 0]
      frame += zero.suffix(4)
      return frame
    }
    #expect(try reading(scalar(last: frame(window: (23 - 10) << 3))) == nil)
    let error = try reading(scalar(last: frame(window: (23 - 10) << 3 | 1)))
    #expect(error?.rule == "LMZ-5" && error?.message.contains("window") == true)
    #expect(try reading(scalar(last: frame(window: 0xFF)))?.rule == "LMZ-5")
  }

  /// Rule LMZ-5.
  @Test func twoFramesInThePlaceOfOneSkippableFramesAndDictionariesAreRefused() throws {
    let skippable: [UInt8] = [0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0]
    #expect(try reading(scalar(last: zero + skippable))?.rule == "LMZ-5")
    #expect(try reading(scalar(last: zero + zero))?.rule == "LMZ-5")
    #expect(try reading(scalar(last: skippable))?.rule == "LMZ-5")
    var dictionary = zero
    dictionary[4] |= 1
    #expect(try reading(scalar(last: dictionary))?.rule == "LMZ-5")
    #expect(try reading(scalar(last: [0x28]))?.rule == "LMZ-5")
  }

  /// Rule LMZ-12.
  @Test func naNAndInfinitiesAreRefused() throws {
    for high: [UInt8] in [[0x80, 0x7F], [0xC0, 0x7F], [0x80, 0xFF]] {
      let frames = [zero, zero, HostileFile.frame([high[0]]), HostileFile.frame([high[1]])]
      let error = try reading(.scalar(frames: frames))
      #expect(error?.rule == "LMZ-12" && error?.place == .tensor("x"))
    }
  }

  /// Rule Q-4.
  @Test func scalesThatAreNotFiniteAreRefused() throws {
    var file = HostileFile()
    file.frames = [HostileFile.frame([1, 2]), HostileFile.frame([0]), HostileFile.frame([0x7C])]
    let lengths = file.frames.map(\.count)
    file.tensors = [
      HostileFile.tensor(
        "x", [1, 2], "int8-row",
        [HostileFile.stream(64, 2, [lengths[0]]), HostileFile.stream(64 + lengths[0], 2, Array(lengths[1...]))])
    ]
    #expect(try reading(file)?.rule == "Q-4")
  }

  /// Rules LMZ-14 and LMZ-17.
  @Test func hashesThatDoNotFitAreFound() throws {
    let scratch = TestFolder()
    var file = HostileFile.scalar(frames: [HostileFile.frame([1]), zero, zero, zero])
    let elements = try Artifact(path: try scratch.write(try file.bytes())).verifyBytes()
    #expect(elements.map(\.rule) == ["LMZ-14"] && elements.first?.place == .tensor("x"))
    file = scalar(last: zero)
    file.payloadHash = String(repeating: "0", count: 64)
    #expect(try Artifact(path: try scratch.write(try file.bytes())).verifyBytes().map(\.rule) == ["LMZ-17"])
  }

  /// Rule LMZ-15.
  @Test func aBlobWithAnotherHashIsRefused() throws {
    let scratch = TestFolder()
    var file = HostileFile()
    file.frames = [zero]
    file.blobs = [
      .object([
        "name": .string("b"), "sha256": .string(String(repeating: "0", count: 64)),
        "stream": HostileFile.stream(64, 1, [zero.count]),
      ])
    ]
    let artifact = try Artifact(path: try scratch.write(try file.bytes()))
    #expect { try artifact.blob("b") } throws: { ($0 as? LMToolError)?.rule == "LMZ-15" }
    #expect { try artifact.blob("c") } throws: { ($0 as? LMToolError)?.code == .missingInput }
    #expect(artifact.verifyBytes().map(\.rule) == ["LMZ-15"])
  }
}
