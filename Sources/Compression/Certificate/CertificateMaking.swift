import Artifacts
import Inference
import Models
import Tensors
import Tokenizers

/// Makes the record of a file, from what the file holds and the original beside it.
public struct CertificateMaking {
  private let source: ModelSource
  private let tokenizer: Tokenizer
  private let model: Transformer
  private let scoring: TextScoring
  private let fingerprint: String

  /// How much is looked at.
  struct Extent {
    /// Tokens of each probe.
    var tokens: Int
    /// Tokens of each reference.
    var entries: Int
    /// How texts go on.
    var sampling: Certificate.Sampling

    /// What a record of so many bytes can hold.
    init(bytes: Int) {
      let isLarge = bytes >= 50_000
      tokens = isLarge ? 384 : 96
      entries = isLarge ? 64 : 16
      sampling = Certificate.Sampling(
        length: isLarge ? 96 : 64, samples: isLarge ? 4 : 2, temperature: 0.8, topK: 40, seed: 1)
    }
  }

  /// Bytes that the record of a file of `bytes` may have: half a percent of it, at least 6,000, at most 200,000 (CERT-15).
  public static func allowance(fileBytes bytes: Int) -> Int { min(200_000, max(6_000, bytes / 200)) }

  /// Makes records of what becomes of `original`.
  ///
  /// - Throws: `missingInput` when it has no tokenizer.
  public init(original: ModelSource) throws(LMToolError) {
    source = original
    tokenizer = try original.makeTokenizer()
    model = try Transformer(original, arithmetic: .float)
    scoring = TextScoring(model, tokenizer)
    fingerprint = try ModelFingerprint.of(original)
  }

  /// The record of `artifact`, a model as its file will hold it.
  ///
  /// - Parameters:
  ///   - probes: the texts.
  ///   - allowance: the most bytes that it may have, packed.
  /// - Throws: `usage` when the vocabulary of the artifact is no part of the original's, `badInput` when what one of the two says is no
  ///   number.
  public func certify(
    _ artifact: ModelSource, probes: [CertificateProbe] = CertificateProbe.bundled, allowance: Int
  ) throws(LMToolError) -> Certificate {
    let file = try File(artifact)
    var certificate = try reference(file, probes, Extent(bytes: allowance))
    try speak(&certificate, file, texts: CertificateProbe.prompts(for: artifact, file.tokenizer))
    try certificate.shrink(to: allowance)
    certificate.head.figures = try CertificateMeasuring(file.scoring, certificate).figures
    try certificate.head.check()
    return certificate
  }

  /// The same record of `artifact`, made again, with the texts, prompts and positions of `certificate`.
  func again(_ artifact: ModelSource, like certificate: Certificate) throws(LMToolError) -> Certificate {
    let file = try File(artifact), head = certificate.head
    var extent = Extent(bytes: 0)
    (extent.tokens, extent.entries, extent.sampling) = (Int.max, head.entries, head.sampling)
    var again = try reference(file, head.probes.map { CertificateProbe(name: $0.name, text: $0.text) }, extent)
    try again.keep(head.probes)
    try speak(&again, file, texts: head.prompts.map(\.text))
    again.head.figures = try CertificateMeasuring(file.scoring, again).figures
    return again
  }

  /// The model in a file.
  private struct File {
    let source: ModelSource
    let tokenizer: Tokenizer
    let model: Transformer
    let scoring: TextScoring

    init(_ artifact: ModelSource) throws(LMToolError) {
      source = artifact
      tokenizer = try artifact.makeTokenizer()
      model = try Transformer(artifact)
      scoring = TextScoring(model, tokenizer)
    }
  }

  // MARK: What the original expects

  /// The vocabulary of a file beside the original's.
  private func induced(_ file: File) throws(LMToolError) -> InducedDistribution? {
    guard file.source.spec.vocabularySize != source.spec.vocabularySize else { return nil }
    return InducedDistribution(try TokenSplits(of: tokenizer, in: file.tokenizer), rows: source.spec.vocabularySize)
  }

  private func reference(
    _ file: File, _ probes: [CertificateProbe], _ extent: Extent
  ) throws(LMToolError) -> Certificate {
    let vocabulary = file.source.spec.vocabularySize, entries = min(extent.entries, vocabulary)
    let reading = ProbeReading(scoring, tokenizer, file.tokenizer, try induced(file), vocabulary: vocabulary)
    let limits = [source, file.source].compactMap(\.spec.positionLimit)
    // Texts that are cut are tokenized again, and may have a token or two more then.
    let most = extent.tokens == Int.max ? Int.max : min(extent.tokens, limits.min().map { $0 - 16 } ?? Int.max)
    var made: [(probe: Certificate.Probe, references: [Certificate.Reference])] = []
    for probe in probes {
      if let one = try reading.read(probe, tokens: most, entries: entries) { made.append(one) }
    }
    guard !made.isEmpty else {
      throw LMToolError(
        .usage,
        "the model and its original make other tokens of the same text, so that they cannot be compared; --no-certificate leaves the "
          + "certificate out")
    }
    let nothing = Certificate.Speech(repetition: 0, greedyRepetition: 0, distinct: 0, empty: 0, natsPerByte: 0)
    let head = Certificate.Head(
      original: fingerprint, vocabulary: vocabulary, entries: entries, probes: made.map(\.probe), prompts: [],
      sampling: extent.sampling, originalSpeech: nothing, speech: nothing,
      figures: Certificate.Figures(
        bitsPerByteBefore: 1, bitsPerByte: 0, bestBefore: 0, best: 0, divergence: 0, divergence99: 0, topAgreement: 0, overlap: 0
      ))
    return Certificate(head: head, references: made.map(\.references))
  }

  // MARK: What both say

  /// Lets both go on after `texts`, which the original is asked as the file is.
  private func speak(_ certificate: inout Certificate, _ file: File, texts: [String]) throws(LMToolError) {
    var asked = source
    asked.chatTemplate = file.source.chatTemplate
    let prompts = texts.compactMap { Prompt($0, asked, tokenizer, file.source, file.tokenizer) }
    let sampling = certificate.head.sampling
    let before = Continuations(model, prompts: prompts.map(\.original), ends: source.endTokens, sampling)
    let after = Continuations(file.model, prompts: prompts.map(\.file), ends: file.source.endTokens, sampling)
    certificate.head.prompts = prompts.indices.map {
      Certificate.Prompt(
        text: prompts[$0].text, ids: prompts[$0].file,
        original: String(decoding: tokenizer.decode(before.greedy[$0]), as: UTF8.self), greedy: after.greedy[$0],
        samples: after.samples[$0])
    }
    certificate.head.originalSpeech = Certificate.Speech(before)
    certificate.head.originalSpeech.natsPerByte = try natsPerByte(prompts, before.samples)
    certificate.head.speech = Certificate.Speech(after)
    let samples = after.samples.map { all in all.map { translated($0, from: file.tokenizer) } }
    certificate.head.speech.natsPerByte = try natsPerByte(prompts, samples)
  }

  /// Tokens of a file as the original's.
  private func translated(_ tokens: [Int32], from other: Tokenizer) -> [Int32] {
    guard other.definition.vocabularySize != tokenizer.definition.vocabularySize else { return tokens }
    let text = String(decoding: tokens.flatMap { other.bytes(of: $0) }, as: UTF8.self)
    return tokenizer.encode(text, addSpecial: false)
  }

  /// The likelihood of continuations under the original.
  private func natsPerByte(_ prompts: [Prompt], _ samples: [[[Int32]]]) throws(LMToolError) -> Double {
    var nats = 0.0, bytes = 0
    for (prompt, continuations) in zip(prompts, samples) {
      for tokens in continuations where !tokens.isEmpty {
        nats += try scoring.nats(prompt.original + tokens, from: prompt.original.count, isWhole: true)
        bytes += tokens.reduce(0) { $0 + tokenizer.bytes(of: $1).count }
      }
    }
    return nats / Double(max(1, bytes))
  }
}

/// What both models are made to go on with.
private struct Prompt {
  /// The text, or the question.
  let text: String
  /// The original's tokens.
  let original: [Int32]
  /// The file's.
  let file: [Int32]

  /// nil where a template makes more of it than a record holds, or tokens that a model lacks.
  init?(_ text: String, _ source: ModelSource, _ tokenizer: Tokenizer, _ file: ModelSource, _ other: Tokenizer) {
    self.text = text
    original = ChatFormat(source, tokenizer).tokens(asking: text)
    self.file = ChatFormat(file, other).tokens(asking: text)
    for (ids, model) in [(original, source), (self.file, file)] {
      let most = min(Certificate.Head.mostPrompt, (model.spec.positionLimit ?? Int.max) / 2)
      guard (1...max(1, most)).contains(ids.count), ids.allSatisfy({ $0 < model.spec.vocabularySize }) else { return nil }
    }
  }
}
