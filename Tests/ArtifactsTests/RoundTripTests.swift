import Artifacts
import Kernels
import Quantization
import Synchronization
import Tensors
import TestSupport
import Testing

struct RoundTripTests {
  @Test func everythingThatIsWrittenIsRead() throws {
    let scratch = TestFolder()
    let path = scratch.path("sample.lmz")
    try writeSample(path)
    let artifact = try Artifact(path: path)
    #expect(artifact.tensors.map(\.name) == ["a.weight", "b.weight", "f32", "f16", "bf16"])
    #expect(try artifact.grid("a.weight")?.readGrid() == grid([6, 65], "int4-g32"))
    #expect(try artifact.grid("b.weight")?.readGrid() == grid([5, 40], "int8-row-min"))
    #expect(artifact.grid("f32") == nil && artifact.tensor("c") == nil)
    #expect(artifact.tensor("b.weight")?.storage == .quantized("int8-row-min"))
    #expect(artifact.tensor("bf16")?.storage == .plain(.bf16))
    #expect(artifact.tensor("f32")?.shape == [3, 5, 2])
    #expect(try artifact.tensor("f32")?.readAll() == wave(30))
    #expect(artifact.manifest.transcript == description.transcript)
    #expect(artifact.manifest.provenance == description.provenance)
    #expect(artifact.manifest.config == description.config)
    #expect(artifact.manifest.generation == description.generation)
    #expect(try artifact.blob("tokenizer.json") == Array("{\"version\": \"1.0\"}".utf8))
    #expect(try artifact.blob("chat_template.jinja") == [])
    #expect(artifact.verifyBytes().isEmpty)
  }

  @Test func f16AndBf16AreRoundedToNearest() throws {
    let scratch = TestFolder()
    let path = scratch.path("sample.lmz")
    try writeSample(path)
    let artifact = try Artifact(path: path)
    #expect(try artifact.tensor("f16")?.readAll() == wave(30).map { halfToFloat(floatToHalf($0)) })
    let brain = try #require(try artifact.tensor("bf16")?.readAll())
    for (a, b) in zip(brain, wave(30)) { #expect(abs(a - b) <= abs(b) / 256) }
  }

  /// Rule LMZ-14.
  @Test func theHashOfATensorIsThatOfItsElements() throws {
    let scratch = TestFolder()
    let path = scratch.path("sample.lmz")
    try writeSample(path)
    let entries = try Artifact(path: path).manifest.tensors
    let matrix = try grid([6, 65], "int4-g32")
    let scales = matrix.scales.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    #expect(entries[0].sha256 == Digest.hex(matrix.codes + scales))
    let floats = wave(30).flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }
    #expect(entries[2].sha256 == Digest.hex(floats))
  }

  /// Rule LMZ-7.
  @Test func tensorsOfSeveralBlocksReadTheSameInAnyPiece() throws {
    let scratch = TestFolder()
    let path = scratch.path("large.lmz")
    let floats = wave(4_194_304 + 1001)
    let writer = try ArtifactWriter(path: path)
    try writer.add(FloatTensor(name: "f", shape: [floats.count], floats: floats), as: .f32)
    let matrix = try grid([2, 4_200_000], "int8-g128")
    try writer.add("g", matrix)
    try writer.finish(ArtifactDescription(lmtool: "", config: .null, provenance: .init(sources: [], recipe: .null)))
    let artifact = try Artifact(path: path)
    #expect(artifact.manifest.tensors[0].streams[0].frames.count == 8)
    #expect(artifact.manifest.tensors[1].streams.map(\.frames.count) == [3, 2])
    let tensor = try #require(artifact.tensor("f"))
    #expect(try tensor.readAll() == floats)
    for range in [4_194_300..<4_194_310, 0..<1, 4_194_304..<4_194_305, 17..<4_194_400] {
      var piece = [Float](repeating: .nan, count: range.count)
      try piece.withUnsafeMutableBufferPointer { (buffer) throws(LMToolError) in try tensor.read(range, into: buffer) }
      #expect(piece == Array(floats[range]))
    }
    #expect(try artifact.grid("g")?.readGrid() == matrix)
    #expect(artifact.verifyBytes().isEmpty)
  }

  @Test func theBytesOfTheFileDoNotDependOnTheNumberOfThreads() throws {
    let scratch = TestFolder()
    ThreadPool.configure(threads: 1)
    try writeSample(scratch.path("one.lmz"))
    ThreadPool.configure(threads: 3)
    try writeSample(scratch.path("three.lmz"))
    ThreadPool.configure(threads: ThreadPool.availableCores)
    #expect(try contents(scratch.path + "/one.lmz") == contents(scratch.path + "/three.lmz"))
  }

  @Test func codesOfNormalWeightsArePackedCloseToTheirEntropy() throws {
    let scratch = TestFolder()
    let path = scratch.path("normal.lmz")
    let sums = (0..<(512 * 1024)).map { index -> Float in
      let uniform = (0..<6).map { Float(((index * 6 + $0) &* 2_654_435_761) >> 7 & 0xFFFF) / 65536 }
      return uniform.reduce(-3, +)
    }
    let matrix = try ClipSearch(scheme("int4-g32")).quantize(FloatTensor(name: "n", shape: [512, 1024], floats: sums))
    let writer = try ArtifactWriter(path: path)
    try writer.add("n", matrix)
    try writer.finish(ArtifactDescription(lmtool: "", config: .null, provenance: .init(sources: [], recipe: .null)))
    let packed = Double(try Artifact(path: path).manifest.tensors[0].streams[0].packed * 8) / Double(sums.count)
    #expect(packed < CodeStatistics(matrix).entropy + 0.04 && packed < 3.9)
  }

  @Test func progressReachesItsTotal() throws {
    let scratch = TestFolder()
    let path = scratch.path("sample.lmz")
    try writeSample(path)
    let last = Mutex<ProgressUpdate?>(nil)
    _ = try Artifact(path: path).verifyBytes { update in last.withLock { $0 = update } }
    let update = try #require(last.withLock { $0 })
    #expect(update.done == update.total && update.stage == "verify")
  }

  @Test func nothingIsLeftOfAFileThatWasNotFinished() throws {
    let scratch = TestFolder()
    let path = scratch.path("half.lmz")
    do {
      let writer = try ArtifactWriter(path: path)
      try writer.add("g", try grid([2, 32], "int4-g32"))
    }
    #expect(refusal(path)?.code == .missingInput)
    #expect(refusal(path + ".tmp")?.code == .missingInput)
  }
}
