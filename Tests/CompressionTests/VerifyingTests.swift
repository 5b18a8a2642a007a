import Artifacts
import Compression
import Models
import OrderedCollections
import Quantization
import Tensors
import TestSupport
import Testing

/// Verify: PASS for what export writes; FAIL, by the name of the right check, for everything else.
struct VerifyingTests {
  let scratch = TestFolder()
  private let path: String

  init() throws {
    path = scratch.path("model.lmz")
    try Quantizing.run(try ModelSource.open(stories), recipe: .int4, to: scratch.path("quantized"))
    _ = try Exporting.lmz(try ModelSource.open(scratch.path("quantized")), to: path, recipe: .object([:]))
  }

  private func failures(_ path: String, budget: Int? = nil) throws -> [String] {
    try Verifying.run(path, budget: budget).checks.filter { !$0.passed }.map(\.name)
  }

  /// The artifact, written again with another description or other blobs.
  private func rewrite(
    _ name: String, blobs change: (inout [String: [UInt8]]) -> Void = { _ in },
    transcript: (inout ArtifactManifest.Transcript) -> Void = { _ in }
  ) throws -> String {
    let artifact = try Artifact(path: path), manifest = artifact.manifest
    let writer = try ArtifactWriter(path: scratch.path(name))
    for tensor in artifact.tensors {
      if let grid = tensor as? any GridTensorReader {
        try writer.add(tensor.name, try grid.readGrid())
      } else {
        try writer.add(tensor, as: tensor.storage == .plain(.f16) ? .f16 : .f32)
      }
    }
    var blobs: [String: [UInt8]] = [:]
    for blob in manifest.blobs { blobs[blob.name] = try artifact.blob(blob.name) }
    change(&blobs)
    for (name, bytes) in blobs.sorted(by: { $0.key < $1.key }) { writer.add(blob: name, bytes) }
    var spoken = try #require(manifest.transcript)
    transcript(&spoken)
    try writer.finish(
      ArtifactDescription(
        lmtool: manifest.lmtool, config: manifest.config, generation: manifest.generation, tokenizer: manifest.tokenizer,
        chatTemplate: manifest.chatTemplate, provenance: manifest.provenance, transcript: spoken))
    return scratch.path(name)
  }

  @Test func whatExportWritesPasses() throws {
    let report = try Verifying.run(path, budget: 200_000)
    #expect(report.passed)
    #expect(
      report.checks.map(\.name) == [
        "budget", "header and manifest", "hashes, frames and values", "architecture", "tokenizer", "greedy transcript",
        "certificate",
      ])
    #expect(try report.bytes == contents(path).count)
    #expect(abs(report.bitsPerWeight - Double(8 * report.bytes) / 260_032) < 1e-9)
    #expect(try failures(try rewrite("same.lmz")) == [])
  }

  @Test func everyFlippedByteIsFound() throws {
    let good = try contents(path)
    for offset in stride(from: 0, to: good.count, by: good.count / 40) {
      var damaged = good
      damaged[offset] ^= 0x10
      let failed = try failures(try scratch.write("damaged.lmz", damaged))
      #expect(failed == ["header and manifest"] || failed.contains("hashes, frames and values"), "offset \(offset): \(failed)")
    }
  }

  @Test func aFlippedByteOfThePayloadIsAmongTheHashes() throws {
    var damaged = try contents(path)
    damaged[damaged.count / 2] ^= 1
    #expect(try failures(try scratch.write("damaged.lmz", damaged)).first == "hashes, frames and values")
  }

  @Test func aCutFileFailsAtItsHeader() throws {
    let good = try contents(path)
    for count in [1, 7, 8, 63, 64, 1000, good.count / 2, good.count - 1] {
      let cut = try scratch.write("cut.lmz", Array(good.prefix(count)))
      #expect(try failures(cut) == ["header and manifest"], "\(count) bytes")
    }
    #expect(try failures(try scratch.write("long.lmz", good + [0])) == ["header and manifest"])
  }

  @Test func anotherTranscriptFails() throws {
    let wrong = try rewrite("wrong.lmz", transcript: { $0.generated[7] = ($0.generated[7] + 1) % 512 })
    let report = try Verifying.run(wrong)
    #expect(report.checks.filter { !$0.passed }.map(\.name) == ["greedy transcript"])
    #expect(report.checks.contains { $0.detail.contains("token 7 of 48") })
  }

  @Test func impossibleTranscriptsFailAndDoNoHarm() throws {
    for (name, prompt) in [("negative", [-1]), ("beyond", [512]), ("absurd", [Int.max]), ("none", [])] {
      let wrong = try rewrite("\(name).lmz", transcript: { $0.prompt = prompt })
      #expect(try failures(wrong) == ["greedy transcript"], "\(name)")
    }
    let long = try rewrite("long.lmz", transcript: { $0.prompt = Array(repeating: 1, count: 100_000) })
    #expect(try failures(long) == ["greedy transcript"])
  }

  @Test func aTokenizerThatIsNoneFails() throws {
    let broken = try rewrite("broken.lmz", blobs: { $0["tokenizer"] = Array("nonsense".utf8) })
    #expect(try failures(broken).contains("tokenizer"))
  }

  @Test func theBudgetIsExact() throws {
    let size = try contents(path).count
    #expect(try failures(path, budget: size) == [])
    #expect(try failures(path, budget: size - 1) == ["budget"])
  }

  @Test func whatIsNotThereIsMissing() {
    let error = #expect(throws: LMToolError.self) { try Verifying.run(scratch.path("none.lmz")) }
    #expect(error?.code == .missingInput)
  }
}
