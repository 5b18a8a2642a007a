import Artifacts
import Compression
import Models
import OrderedCollections
import Quantization
import Tensors
import TestSupport
import Testing
import Tokenizers

/// The record of quality: who passes, who fails and why, and that a record which lies is found out.
struct CertificateTests {
  let scratch = TestFolder()

  /// A file of `model`, with a record made beside `original`, or beside itself.
  private func export(_ model: ModelSource, beside original: ModelSource? = nil, _ name: String = "a.lmz") throws -> String {
    let path = scratch.path(name)
    _ = try Exporting.lmz(
      model, to: path, recipe: .object([:]), certificate: CertificateRequest(original: original ?? model))
    return path
  }

  private func changed(_ change: (String, inout [Float]) -> Void) throws -> ModelSource {
    let folder = scratch.path("changed")
    try writeStories(to: folder, change)
    return try ModelSource.open(folder, tokenizer: stories + "/tokenizer.model")
  }

  private func failures(_ report: VerificationReport) -> [String] { report.checks.filter { !$0.passed }.map(\.name) }

  @Test func theOriginalItselfIsAnA() throws {  // CERT-11, CERT-12
    let original = try ModelSource.open(stories)
    let report = try Verifying.run(try export(original), quality: QualityDemands(minimumGrade: .a, original: original))
    #expect(failures(report) == [])
    let quality = try #require(report.quality)
    #expect(quality.fidelity == .a && quality.coherence.holds)
    #expect(quality.certificateBytes <= 6_000)  // CERT-15
    #expect(abs(quality.figures.ratio - 1) < 0.001 && quality.figures.divergence < 0.002)
  }

  @Test func int8IsAnAAndInt4IsNot() throws {
    let original = try ModelSource.open(stories)
    var grades: [FidelityGrade] = []
    for (name, recipe) in [("int8", QuantizationRecipe.int8), ("int4", .int4Embedding)] {
      try Quantizing.run(original, recipe: recipe, to: scratch.path(name))
      let path = try export(try ModelSource.open(scratch.path(name)), beside: original, name + ".lmz")
      let report = try Verifying.run(path, quality: QualityDemands())
      #expect(failures(report) == [])
      grades.append(try #require(report.quality).fidelity)
      #expect(
        try failures(Verifying.run(path, quality: QualityDemands(minimumGrade: .b))) == (name == "int8" ? [] : ["fidelity"]))
    }
    #expect(grades[0] == .a && grades[1] > .b)
  }

  /// What is wrong with a model.
  enum Fault: CaseIterable { case untrained, looping, constant, shuffled }

  private func damage(_ fault: Fault) throws -> ModelSource {
    var noise = Noise(7)
    var layers: [String: [Float]] = [:]
    try writeStories(to: scratch.path("read")) { layers[$0] = $1 }
    return try changed { name, values in
      let isEmbedding = name == "model.embed_tokens.weight"
      switch fault {
      case .untrained: if !name.contains("norm") { values = noise.floats(values.count).map { $0 * 0.03 } }
      case .looping:
        guard isEmbedding else { return }
        for row in stride(from: 0, to: values.count, by: 64) {
          let mean = values[row..<row + 64].reduce(0) { $0 + $1.magnitude } / 64
          for index in row..<row + 64 { values[index] = values[index] < 0 ? -mean : mean }
        }
      case .constant:
        if name.contains("o_proj") || name.contains("down_proj") { values = values.map { _ in 0 } }
        guard isEmbedding else { return }
        let row = Array(values[300 * 64..<301 * 64])
        for index in values.indices { values[index] = row[index % 64] * (index / 64 == 300 ? 1.5 : 1) }
      case .shuffled:
        let parts = name.split(separator: ".")
        guard parts.count > 3, let layer = Int(parts[2]) else { return }
        values = layers[name.replacing(".\(layer).", with: ".\((layer + 2) % 5).")] ?? []
      }
    }
  }

  @Test(arguments: Fault.allCases) func aBrokenModelIsIncoherentBesideTheOriginalAndAlone(fault: Fault) throws {  // CERT-11
    let broken = try damage(fault)
    let beside = try Verifying.run(
      try export(broken, beside: try ModelSource.open(stories)), quality: QualityDemands(minimumGrade: .d))
    #expect(failures(beside) == ["coherence", "fidelity"])
    let alone = try Verifying.run(try export(broken, "alone.lmz"), quality: QualityDemands())
    #expect(failures(alone) == ["coherence"])
    #expect(alone.checks.contains { $0.name == "coherence" && $0.detail.contains("not trained enough") })
    #expect(try #require(beside.quality).figures.bestBefore < 1, "the original is sound")
  }

  @Test func anotherTokenizerIsFound() throws {  // CERT-8, CERT-11
    let other = try ModelSource.open(stories, tokenizer: Fixtures.path("tokenizers/unigram.model"))
    let alone = try Verifying.run(try export(other), quality: QualityDemands())
    #expect(failures(alone) == ["coherence"])
    #expect(throws: LMToolError.self) { try export(other, beside: try ModelSource.open(stories), "beside.lmz") }
  }

  private func rewrite(
    _ path: String, tensor change: (String, inout [Float]) -> Void = { _, _ in },
    record: (inout Certificate) -> Void = { _ in }
  ) throws -> String {
    let again = scratch.path("again.lmz")
    try writeAgain(path, to: again, tensor: change, record: record)
    return again
  }

  @Test func weightsThatWereChangedAfterwardsAreFound() throws {  // CERT-13
    let path = try export(try ModelSource.open(stories))
    #expect(try failures(Verifying.run(try rewrite(path), quality: QualityDemands())) == [])
    var noise = Noise(1)
    let changed = try rewrite(
      path,
      tensor: { name, values in
        guard name == "model.layers.2.mlp.down_proj.weight" else { return }
        values = values.map { $0 * (1 + 0.1 * noise.float()) }
      })
    #expect(try failures(Verifying.run(changed)) == [], "its hashes hold")
    #expect(try failures(Verifying.run(changed, quality: QualityDemands())) == ["certificate"])
  }

  @Test func bytesThatTheTextDoesNotHaveAreFound() throws {  // CERT-8
    let path = try rewrite(
      try export(try ModelSource.open(stories)),
      record: { for index in $0.head.probes.indices { $0.head.probes[index].bytes *= 4 } })
    let report = try Verifying.run(path, quality: QualityDemands())
    #expect(failures(report) == ["certificate"])
    #expect(report.checks.contains { $0.detail.contains("bytes, not") })
  }

  @Test func aRecordThatLiesOfTheOriginalIsFoundBesideIt() throws {  // CERT-13
    let original = try ModelSource.open(stories), path = try export(original)
    let flattering = try rewrite(path, record: { $0.head.speech.natsPerByte = 0.3 })
    #expect(try failures(Verifying.run(flattering, quality: QualityDemands())) == [], "alone nobody can know")
    let report = try Verifying.run(flattering, quality: QualityDemands(original: original))
    #expect(failures(report) == ["against the original"])
    #expect(report.checks.contains { $0.detail.contains("nats per byte") })
  }

  @Test func noRecordFlattersWhatCanBeMeasuredAgain() throws {  // CERT-11, CERT-13
    let original = try ModelSource.open(stories), broken = try export(try damage(.looping), beside: original)
    #expect(try failures(Verifying.run(broken, quality: QualityDemands(original: original))) == ["coherence"])
    let flattering = try rewrite(broken, record: { $0.head.speech.natsPerByte = 0.3 })
    let report = try Verifying.run(flattering, quality: QualityDemands())
    #expect(failures(report) == ["coherence"] && report.checks.contains { $0.detail.contains("that it knows best") })
    let bolder = try rewrite(broken, record: { ($0.head.speech.natsPerByte, $0.head.figures.best) = (0.3, 0.9) })
    #expect(try failures(Verifying.run(bolder, quality: QualityDemands())) == ["certificate"])
  }

  @Test func aRecordWhoseOriginalNeverSpokeSoIsFound() throws {  // CERT-13
    let original = try ModelSource.open(stories), path = try export(original)
    let lies: [(String, (inout Certificate) -> Void)] = [
      ("answers 1 of 4", { $0.head.prompts[1].original += " indeed" }),
      ("references", { $0.references[0] = $0.references[0].map { .init(ids: $0.ids, first: $0.first + 1, falls: $0.falls) } }),
    ]
    for (reason, lie) in lies {
      let report = try Verifying.run(try rewrite(path, record: lie), quality: QualityDemands(original: original))
      #expect(report.checks.contains { !$0.passed && $0.detail.contains(reason) }, "\(report.checks)")
    }
  }

  /// Without a record a model is judged by what it is alone, whatever the format (CERT-16).
  @Test func filesOfOtherFormatsAreJudgedAlone() throws {
    let gguf = scratch.path("model.gguf"), original = try ModelSource.open(stories)
    _ = try Exporting.gguf(original, to: gguf)
    for path in [stories, gguf, stories + "/stories260K.bin"] {
      let report = try Verifying.run(path, budget: 2_000_000, quality: QualityDemands())
      #expect(failures(report) == [], "\(path): \(report.checks)")
      #expect(report.bytes > 100_000 && report.quality == nil)
    }
    #expect(
      try failures(Verifying.run(gguf, budget: 1000, quality: QualityDemands(minimumGrade: .e))) == ["budget", "certificate"])
  }

  @Test(arguments: Fault.allCases) func aBrokenCheckpointIsIncoherentAlone(fault: Fault) throws {  // CERT-16
    let source = try damage(fault), path = source.path
    try scratch.write("changed/tokenizer.model", try contents(stories + "/tokenizer.model"))
    #expect(try failures(Verifying.run(path, quality: QualityDemands())) == ["coherence"])
    #expect(try failures(Verifying.run(path)) == [], "its numbers are sound")
    let gguf = scratch.path("broken.gguf")
    _ = try Exporting.gguf(try ModelSource.open(path), to: gguf)
    #expect(try failures(Verifying.run(gguf, quality: QualityDemands())) == ["coherence"])
  }

  @Test func aCheckpointBesideItsOriginalHasAGrade() throws {
    let original = try ModelSource.open(stories), gguf = scratch.path("model.gguf")
    try Quantizing.run(original, recipe: .int4Embedding, to: scratch.path("int4"))
    _ = try Exporting.gguf(try ModelSource.open(scratch.path("int4")), to: gguf)
    let report = try Verifying.run(gguf, quality: QualityDemands(minimumGrade: .d, original: original, details: true))
    #expect(failures(report) == [], "\(report.checks)")
    let quality = try #require(report.quality), details = try #require(quality.details)
    #expect(quality.fidelity > .a && quality.certificateBytes == 0)
    #expect(details.probes.count == 4 && details.answers.count == 4)
    let all = details.probes.flatMap(\.divergences)
    #expect(abs(all.reduce(0, +) / Double(all.count) - quality.figures.divergence) < 1e-5)
    #expect(details.answers[0].prompt == "Once upon a time" && details.answers[0].greedy.contains("little girl"))
  }

  @Test func numbersThatAreNoneAreFound() throws {
    let infinite = scratch.path("infinite"), huge = scratch.path("huge")
    try writeStories(to: infinite) { name, values in if name == "model.layers.1.mlp.up_proj.weight" { values[77] = .infinity } }
    try scratch.write("infinite/tokenizer.model", try contents(stories + "/tokenizer.model"))
    let report = try Verifying.run(infinite, quality: QualityDemands())
    #expect(failures(report) == ["values"] && report.checks.contains { $0.detail.contains("element 77") })
    try writeStories(to: huge) { name, values in if !name.contains("norm") { values = values.map { $0 * 1e30 } } }
    try scratch.write("huge/tokenizer.model", try contents(stories + "/tokenizer.model"))
    #expect(try failures(Verifying.run(huge, quality: QualityDemands())) == ["coherence"])
    #expect(throws: LMToolError.self) { try export(try ModelSource.open(huge), "huge.lmz") }
  }

  @Test func onlyWhatHasLostNothingIsItsOwnOriginal() throws {
    let original = try ModelSource.open(stories)
    try Quantizing.run(original, recipe: .int8, to: scratch.path("int8"))
    #expect(!CertificateRequest.needsOriginal(original))
    #expect(CertificateRequest.needsOriginal(try ModelSource.open(scratch.path("int8"))))
  }

  @Test func aTextThatSaysOneThingOverAndOverIsNoProbe() throws {  // CERT-4
    let text = CertificateProbe(name: "a", text: String(repeating: "The cat sat on the mat. ", count: 60))
    let error = #expect(throws: LMToolError.self) {
      try CertificateMaking(original: try ModelSource.open(stories))
        .certify(try ModelSource.open(stories), probes: [text], allowance: 6000)
    }
    #expect(error?.code == .usage)
  }

  @Test func theSameInputGivesTheSameRecord() throws {  // CERT-15
    let original = try ModelSource.open(stories)
    #expect(try contents(try export(original, "a.lmz")) == contents(try export(original, "b.lmz")))
  }

  @Test func aRecordIsPartOfTheBudget() throws {  // CERT-15
    let original = try ModelSource.open(stories), path = scratch.path("a.lmz")
    let report = try Compressing.run(
      original, to: path, budget: 300_000, recipe: .int4, certificate: CertificateRequest(original: original))
    #expect(report.verification.passed && report.bytes <= 300_000)
    #expect(report.verification.quality != nil)
    let plain = try Compressing.run(original, to: scratch.path("b.lmz"), budget: nil, recipe: .int4)
    #expect(throws: LMToolError.self) {
      try Compressing.run(
        original, to: scratch.path("c.lmz"), budget: plain.bytes, recipe: .int4,
        certificate: CertificateRequest(original: original))
    }
  }

  @Test func aChatModelIsAskedInItsFormat() throws {
    var chat = try ModelSource.open(stories)
    chat.chatTemplate = "{% for message in messages %}Question: {{ message['content'] }}\nAnswer:{% endfor %}"
    let path = try export(chat), artifact = try Artifact(path: path), name = try #require(artifact.manifest.certificate)
    let prompts = try Certificate(encoded: try artifact.blob(name)).head.prompts, tokenizer = try chat.makeTokenizer()
    #expect(prompts.map(\.text).contains("What is gravity?"))
    for prompt in prompts {
      #expect(
        String(decoding: tokenizer.decode(prompt.ids, skipSpecial: true), as: UTF8.self).contains(
          "Question: \(prompt.text)\nAnswer:"))
    }
    let report = try Verifying.run(path, quality: QualityDemands(original: chat))
    #expect(failures(report) == [], "\(report.checks)")
  }

  @Test func aTrimmedVocabularyIsHeldAgainstTheWholeOne() throws {
    let original = try ModelSource.open(stories)
    let trimmed = try VocabularyTrimming(original).trimmed(keeping: 0..<480)
    let report = try Verifying.run(try export(trimmed, beside: original), quality: QualityDemands(original: original))
    #expect(failures(report).allSatisfy { $0 == "coherence" }, "\(failures(report))")
    let figures = try #require(report.quality).figures
    #expect(figures.divergence < 0.2 && figures.ratio < 1.3)
  }
}
