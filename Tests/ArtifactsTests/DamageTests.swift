import Artifacts
import Quantization
import Tensors
import TestSupport
import Testing

/// Files that were damaged on their way.
struct DamageTests {
  private func sample(_ scratch: TestFolder) throws -> [UInt8] {
    try writeSample(scratch.path("sample.lmz"))
    return try contents(scratch.path + "/sample.lmz")
  }

  /// Rules LMZ-1 to LMZ-4.
  @Test func aFileCutAnywhereIsRefusedWhenItIsOpened() throws {
    let scratch = TestFolder()
    let whole = try sample(scratch)
    for length in [0, 1, 7, 8, 63, 64, 65, whole.count / 2, whole.count - 1] {
      let error = refusal(try scratch.write(Array(whole[..<length])))
      #expect(error?.code == .badInput && error?.rule?.hasPrefix("LMZ-") == true, "length \(length)")
    }
  }

  /// Rule LMZ-3.
  @Test func aFileWithSomethingAppendedIsRefused() throws {
    let scratch = TestFolder()
    #expect(refusal(try scratch.write(try sample(scratch) + [0]))?.rule == "LMZ-3")
  }

  /// Rule LMZ-4.
  @Test func everyFlippedBitOfHeaderAndManifestIsFoundWhenTheFileIsOpened() throws {
    let scratch = TestFolder()
    let whole = try sample(scratch)
    let manifest = Int(whole[16]) | Int(whole[17]) << 8
    for position in Array(0..<64) + Array(manifest..<whole.count) {
      var damaged = whole
      damaged[position] ^= 1 << UInt8(position % 8)
      #expect(refusal(try scratch.write(damaged)) != nil, "byte \(position)")
    }
    for bit in 0..<(64 * 8) {
      var damaged = whole
      damaged[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(refusal(try scratch.write(damaged))?.code == .badInput, "bit \(bit)")
    }
  }

  /// Rule LMZ-17.
  @Test func everyFlippedByteOfThePayloadIsFoundByVerifyBytes() throws {
    let scratch = TestFolder()
    let whole = try sample(scratch)
    let manifest = Int(whole[16]) | Int(whole[17]) << 8
    for position in 64..<manifest {
      var damaged = whole
      damaged[position] ^= 1 << UInt8(position % 8)
      let findings = try Artifact(path: try scratch.write(damaged)).verifyBytes()
      #expect(findings.first?.rule == "LMZ-17", "byte \(position)")
    }
  }

  /// Rule LMZ-5.
  @Test func aDamagedFrameIsRefusedWhenItsTensorIsReadWithItsOffset() throws {
    let scratch = TestFolder()
    var damaged = try sample(scratch)
    damaged[80] ^= 4
    let artifact = try Artifact(path: try scratch.write(damaged))
    #expect {
      try artifact.grid("a.weight")?.readGrid()
    } throws: { error in
      guard let error = error as? LMToolError else { return false }
      return error.rule == "LMZ-5" && error.place == .offset(64) && error.file?.hasSuffix("hostile.lmz") == true
    }
    #expect(try artifact.tensor("f32")?.readAll() == wave(30))
  }

  @Test func aFolderAMissingFileAndSomethingElseAreRefused() throws {
    let scratch = TestFolder()
    #expect(refusal(scratch.path)?.code == .badInput)
    #expect(refusal(scratch.path + "/none.lmz")?.code == .missingInput)
    #expect(refusal(try scratch.write(Array("GGUF".utf8) + [UInt8](repeating: 0, count: 100)))?.rule == "LMZ-1")
  }
}
