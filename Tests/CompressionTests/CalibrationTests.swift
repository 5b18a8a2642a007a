import Artifacts
import Checkpoints
import Compression
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Calibrations: the same from the same text, saved and read again, and refused when they are not what they should be.
struct CalibrationTests {
  let scratch = TestFolder()

  private func text(seed: UInt64? = nil) throws -> CalibrationText {
    var options = CalibrationOptions()
    options.window = 64
    options.tokens = 512
    if let seed { options.seed = seed } else { options.texts = [Fixtures.path("texts/tinystories.txt")] }
    return try CalibrationText(try ModelSource.open(stories), options)
  }

  private func save(_ name: String, seed: UInt64? = nil, of model: String = stories) throws -> String {
    _ = try Calibration.collect(try ModelSource.open(model), try text(seed: seed), to: scratch.path(name))
    return scratch.path(name)
  }

  private func open(_ path: String, for model: String = stories) throws -> Calibration {
    try Calibration(file: path, for: try ModelSource.open(model))
  }

  @Test func whatIsSavedIsRead() throws {
    let source = try ModelSource.open(stories)
    let made = try Calibration.collect(source, try text(), to: scratch.path("a"))
    let read = try open(scratch.path("a"))
    let reports = try [made, read].map { CalibrationReport($0, try text(), source.spec, seconds: 0) }
    #expect(reports[0].layers.flatMap(\.matrices).map(\.sensitivity) == reports[1].layers.flatMap(\.matrices).map(\.sensitivity))
    #expect(read.tokens == 512 && read.window == 64)
    for layer in reports[0].layers {
      #expect(layer.matrices.allSatisfy { $0.sensitivity > 1e-6 && $0.sensitivity < 10 })
      #expect(layer.effectiveRanks.allSatisfy { $0 >= 1 && $0 <= 172 })
    }
    #expect(scratch.names == ["a"])
  }

  @Test func theSameSeedGivesTheSameBytes() throws {
    let paths = try [("a", 1), ("b", 1), ("c", 2)].map { try save($0.0, seed: $0.1) }
    #expect(try contents(paths[0]) == contents(paths[1]))
    #expect(try contents(paths[0]) != contents(paths[2]))
  }

  @Test func aChatModelIsCalibratedInItsFormat() throws {
    let chats = try scratch.write(
      "chats.jsonl", String(repeating: #"{"question": "Who is Lily?", "answer": "A girl."}"# + "\n", count: 50))
    var options = CalibrationOptions()
    (options.window, options.tokens) = (64, 256)
    var chat = try ModelSource.open(stories)
    chat.chatTemplate = chatMLTemplate
    for chats in [[], [chats]] {
      options.chats = chats
      var calibrations: [[UInt8]] = []
      for (name, source) in [("plain", try ModelSource.open(stories)), ("chat", chat)] {
        let text = try CalibrationText(source, options)
        #expect(text.tokens == 256 && text.warnings.isEmpty == (chats.isEmpty || name == "chat"))
        _ = try Calibration.collect(source, text, to: scratch.path(name))
        calibrations.append(try contents(scratch.path(name)))
      }
      #expect(calibrations[0] != calibrations[1])
    }
  }

  @Test func theCalibrationOfAnotherModelIsRefused() throws {  // CAL-3
    let path = try save("a"), other = scratch.path("other")
    try writeStories(to: other) { if $0 == "model.layers.3.mlp.up_proj.weight" { $1[0] += 0.01 } }
    #expect(expectFailure(.badInput) { _ = try open(path, for: other) }?.rule == "CAL-3")
    #expect(throws: Never.self) { try open(path) }
  }

  /// A copy of a calibration with something changed: metadata, and the bytes of one tensor; or without it.
  private func copy(
    of path: String, _ metadata: [String: String] = [:], change name: String = "", leaveOut: Bool = false,
    _ change: (inout [UInt8]) -> Void = { _ in }
  ) throws -> String {
    let file = try SafetensorsFile(path: path), copy = scratch.path("copy")
    let tensors = file.tensors.values.filter { !leaveOut || $0.name != name }
    let writer = try SafetensorsWriter(
      path: copy, entries: tensors.map { SafetensorsEntry(name: $0.name, dtype: $0.dtype, shape: $0.shape) },
      metadata: file.metadata.merging(metadata) { $1 })
    for tensor in tensors {
      var bytes = tensor.withBytes { Array($0) }
      if tensor.name == name { change(&bytes) }
      try bytes.withUnsafeBytesTyped { (bytes) throws(LMToolError) in try writer.write(raw: bytes) }
    }
    try writer.finish()
    return copy
  }

  private func rule(_ path: String) throws -> String? {
    expectFailure(.badInput) { _ = try open(path) }?.rule
  }

  @Test func filesThatBreakARuleAreRefused() throws {
    let path = try save("a"), nan: [UInt8] = [0, 0, 0xC0, 0x7F], negative: [UInt8] = [0, 0, 0x80, 0xBF]
    #expect(throws: Never.self) { try open(try copy(of: path)) }
    #expect(try rule(try copy(of: path, ["format": "pt"])) == "CAL-1")
    #expect(try rule(try copy(of: path, ["version": "2"])) == "CAL-1")
    #expect(try rule(try copy(of: path, ["model": ""])) == "CAL-3")
    for name in ["tokens", "moments.2.mlp_input", "effective_ranks", "sensitivities.logits"] {
      #expect(try rule(try copy(of: path, change: name, leaveOut: true)) == "CAL-2", "\(name)")
    }
    #expect(try rule(try copy(of: path, change: "tokens") { $0[1] = 2 }) == "CAL-4")
    #expect(try rule(try copy(of: path, change: "tokens") { $0[3] = 0x80 }) == "CAL-4")
    #expect(try rule(try copy(of: path, change: "sensitivities.matrices") { $0.replaceSubrange(0..<4, with: nan) }) == "CAL-4")
    #expect(try rule(try copy(of: path, change: "sensitivities.embedding") { $0 = [0, 0, 0, 0] }) == "CAL-4")
    #expect(try rule(try copy(of: path, change: "effective_ranks") { $0.replaceSubrange(0..<4, with: negative) }) == "CAL-4")
    #expect(try rule(try copy(of: path, change: "moments.4.mlp_channels") { $0.replaceSubrange(4..<8, with: nan) }) == "CAL-5")
    #expect(
      try rule(try copy(of: path, change: "moments.0.attention_input") { $0.replaceSubrange(0..<4, with: negative) }) == "CAL-5")
  }

  @Test func aFileThatIsNoneIsRefused() throws {
    #expect(try rule(try scratch.write("text", "nothing of the kind")) == "SAFETENSORS-1")
    #expect(try rule(stories + "/model.safetensors") == "CAL-1")
    let path = try save("a")
    #expect(try rule(try scratch.write("cut", Array(try contents(path).dropLast(100)))) == "SAFETENSORS-6")
    expectFailure(.missingInput) { _ = try open(scratch.path("none")) }
  }

  @Test func oneAndTheSameTokenIsTextEnough() throws {
    let path = try scratch.write("monotone.txt", String(repeating: "a", count: 4000))
    var options = CalibrationOptions()
    (options.texts, options.window) = ([path], 64)
    let source = try ModelSource.open(stories)
    let calibration = try Calibration.collect(source, try CalibrationText(source, options))
    let report = CalibrationReport(calibration, try CalibrationText(source, options), source.spec, seconds: 0)
    #expect(report.layers.flatMap(\.matrices).allSatisfy { $0.sensitivity > 0 && $0.sensitivity.isFinite })
  }

  @Test func aBrokenModelIsNamed() throws {  // MODEL-5
    let name = "model.layers.0.input_layernorm.weight"
    try writeStories(to: scratch.path("broken")) { if $0 == name { $1 = $1.map { _ in 3e38 } } }
    let broken = try ModelSource.open(scratch.path("broken"))
    let error = expectFailure(.badInput) { _ = try Calibration.collect(broken, try text(), to: scratch.path("a")) }
    #expect(error?.rule == "MODEL-5")
    #expect(scratch.names == ["broken"])
  }

  @Test func theOutputIsNotTheInput() throws {
    let copy = try scratch.write("model.gguf", try contents(stories + "/stories260K-f32.gguf"))
    expectFailure(.usage) { _ = try Calibration.collect(try ModelSource.open(copy), try text(), to: copy) }
  }
}
