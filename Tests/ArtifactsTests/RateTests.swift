import Artifacts
import Kernels
import Quantization
import Tensors
import TestSupport
import Testing

/// Rate matrices in an `.lmz` file (rule LMZ-18).
struct RateTests {
  private func matrix(_ rows: Int, _ columns: Int, seed: UInt64) throws(LMToolError) -> RateMatrix {
    var noise = Noise(seed)
    let indices = (0..<(rows * columns)).map { _ in Int16(3 * noise.float() * noise.float() * noise.float()) }
    let codes = RateContexts(rowCodes: .init(repeating: 128, count: rows), columnCodes: .init(repeating: 48, count: columns))
    return try RateMatrix(
      rows: rows, columns: columns, trellis: .states32, indices: indices, contexts: codes, base: 0.02,
      rowSteps: .init(repeating: 128, count: rows),
      columnSteps: .init(repeating: 130, count: columns)
    ).withMeasuredContexts()
  }

  private let plain = ArtifactDescription(lmtool: "", config: .null, provenance: .init(sources: [], recipe: .null))

  /// Two rate matrices around a float one.
  private func write(_ path: String) throws(LMToolError) -> [RateMatrix] {
    let matrices = [try matrix(130, 40, seed: 1), try matrix(64, 7, seed: 2)]
    var histogram = RateHistogram()
    for matrix in matrices { try histogram.add(matrix) }
    let tables = RateTables([histogram])
    let writer = try ArtifactWriter(path: path)
    try writer.add("a", try RateEncoder.encode(matrices[0], tables: tables), tables: tables)
    try writer.add(FloatTensor(name: "f", shape: [3, 10], floats: wave(30)), as: .f32)
    try writer.add("b", try RateEncoder.encode(matrices[1], tables: tables), tables: tables)
    try writer.finish(plain)
    return matrices
  }

  @Test func rateMatricesAreReadAsTheyWereWritten() throws {
    let scratch = TestFolder()
    let path = scratch.path("rate.lmz")
    let matrices = try write(path)
    let artifact = try Artifact(path: path)
    #expect(artifact.manifest.rate == "rate" && artifact.manifest.tensors.map(\.type) == ["rate", "F32", "rate"])
    #expect(try artifact.rate("a")?.readMatrix() == matrices[0])
    #expect(try artifact.rate("b")?.readMatrix() == matrices[1])
    #expect(artifact.rate("f") == nil && artifact.grid("a") == nil)
    #expect(artifact.tensor("a")?.storage == .quantized("rate") && artifact.tensor("a")?.shape == [130, 40])
    let weights = try #require(try artifact.tensor("b")?.readAll())
    let steps = matrices[1].steps
    #expect(try weights == matrices[1].values().enumerated().map { Float($1) * steps.rows[$0 / 7] * steps.columns[$0 % 7] })
    #expect(artifact.verifyBytes().isEmpty)
    let shared = try #require(artifact.manifest.blobs.first?.stream.packed)
    let lanes = artifact.manifest.tensors.filter { $0.type == "rate" }.reduce(0) { $0 + $1.streams[0].packed }
    let stored = (artifact.tensor("a")?.storedBytes ?? 0) + (artifact.tensor("b")?.storedBytes ?? 0)
    #expect(stored > lanes && stored <= lanes + shared)
  }

  /// What was read can be written again, byte for byte.
  @Test func copyingAFileGivesTheSameFile() throws {
    let scratch = TestFolder()
    let path = scratch.path("rate.lmz")
    _ = try write(path)
    let artifact = try Artifact(path: path)
    let writer = try ArtifactWriter(path: scratch.path("copy.lmz"))
    for tensor in artifact.tensors {
      if let rate = tensor as? any EncodedRateTensorReader {
        try writer.add(tensor.name, try rate.readEncoded(), tables: rate.tables)
      } else {
        try writer.add(tensor, as: .f32)
      }
    }
    try writer.finish(plain)
    #expect(try contents(path) == contents(scratch.path("copy.lmz")))
  }

  /// Rules LMZ-4 and LMZ-17.
  @Test func everyDamagedByteIsFound() throws {
    let scratch = TestFolder()
    _ = try write(scratch.path("rate.lmz"))
    let whole = try contents(scratch.path + "/rate.lmz")
    for position in stride(from: 0, to: whole.count, by: 3) {
      var damaged = whole
      damaged[position] ^= 1 << UInt8(position % 8)
      let path = try scratch.write(damaged)
      if refusal(path) == nil { #expect(try !Artifact(path: path).verifyBytes().isEmpty, "byte \(position)") }
    }
  }

  /// A file whose hashes are right, of one rate matrix [1, 2] with these lanes and this blob.
  private func hostile(lanes: [UInt8], shared: [UInt8], shape: [Int] = [1, 2], rate: String? = "rate") -> HostileFile {
    var file = HostileFile()
    file.frames = [HostileFile.frame(lanes), HostileFile.frame(shared)]
    let first = file.frames[0].count
    file.tensors = [
      HostileFile.tensor("x", shape, "rate", sha256: Digest.hex(lanes), [HostileFile.stream(64, lanes.count, [first])])
    ]
    file.blobs = [
      .object([
        "name": .string("rate"), "sha256": .string(Digest.hex(shared)),
        "stream": HostileFile.stream(64 + first, shared.count, [file.frames[1].count]),
      ])
    ]
    if let rate { file.more["rate"] = .string(rate) }
    return file
  }

  private func sample() throws -> (lanes: [UInt8], shared: [UInt8]) {
    let encoded = try RateEncoder.encode(try matrix(1, 2, seed: 5), tables: .standard)
    return (encoded.lanes, try RateSideInformation(tables: .standard, matrices: [encoded.parameters]).encoded())
  }

  /// Rules LMZ-15, LMZ-18, RATE-6, RATE-7 and RATE-8.
  @Test func filesThatContradictThemselvesAreRefused() throws {
    let scratch = TestFolder()
    let (lanes, shared) = try sample()
    func opening(_ file: HostileFile) throws -> String? { refusal(try scratch.write(try file.bytes()))?.rule }
    #expect(try opening(hostile(lanes: lanes, shared: shared)) == nil)
    #expect(try opening(hostile(lanes: lanes, shared: shared, rate: nil)) == "LMZ-18")
    #expect(try opening(hostile(lanes: lanes, shared: shared, rate: "other")) == "LMZ-15")
    #expect(try opening(hostile(lanes: lanes, shared: shared, shape: [2])) == "LMZ-18")
    #expect(try opening(hostile(lanes: Array(lanes.prefix(3)), shared: shared)) == "LMZ-18")
    #expect(try opening(hostile(lanes: lanes + [UInt8](repeating: 0, count: 90), shared: shared)) == "LMZ-18")
    #expect(try opening(hostile(lanes: lanes + [0], shared: shared)) == "RATE-8")
    #expect(try opening(hostile(lanes: lanes, shared: shared + [0])) == "RATE-8")
    #expect(try opening(hostile(lanes: lanes, shared: [0])) == "RATE-7")
    #expect(try opening(hostile(lanes: lanes, shared: shared, shape: [1, 3])) == "RATE-8")
  }

  /// Rule RATE-6.
  @Test func lanesThatCannotBeDecodedAreFoundBehindRightHashes() throws {
    let scratch = TestFolder()
    let (lanes, shared) = try sample()
    let file = hostile(lanes: lanes.map { _ in 0xFF }, shared: shared)
    let artifact = try Artifact(path: try scratch.write(try file.bytes()))
    #expect(artifact.verifyBytes().map(\.rule) == ["RATE-6"])
    #expect { try artifact.tensor("x")?.readAll() } throws: { ($0 as? LMToolError)?.place == .tensor("x") }
  }
}
