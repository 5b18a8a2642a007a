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
      sampling = Certificate.Sampling(length: isLarge ? 96 : 64, samples: 2, temperature: 0.8, topK: 40, seed: 1)
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
  /// - Throws: `usage` when the vocabulary of the artifact is no part of the original's.
  public func certify(
    _ artifact: ModelSource, probes: [CertificateProbe] = CertificateProbe.bundled, allowance: Int
  ) throws(LMToolError) -> Certificate {
    let extent = Extent(bytes: allowance)
    var certificate = try reference(artifact, probes, extent)
    try certificate.shrink(to: allowance)
    return try complete(certificate, artifact)
  }

  /// The same record of `artifact`, made again, with the texts, prompts and positions of `certificate`.
  func again(_ artifact: ModelSource, like certificate: Certificate) throws(LMToolError) -> Certificate {
    var extent = Extent(bytes: 0)
    extent.tokens = Int.max
    extent.entries = certificate.head.entries
    extent.sampling = certificate.head.sampling
    let probes = certificate.head.probes.map { CertificateProbe(name: $0.name, text: $0.text) }
    var again = try reference(artifact, probes, extent)
    try again.keep(certificate.head.probes)
    return try complete(again, artifact)
  }

  // MARK: What the original says

  /// The vocabulary of a file beside the original's.
  private func induced(_ other: Tokenizer, _ artifact: ModelSource) throws(LMToolError) -> InducedDistribution? {
    guard artifact.spec.vocabularySize != source.spec.vocabularySize else { return nil }
    return InducedDistribution(try TokenSplits(of: tokenizer, in: other), rows: source.spec.vocabularySize)
  }

  private func reference(
    _ artifact: ModelSource, _ probes: [CertificateProbe], _ extent: Extent
  ) throws(LMToolError) -> Certificate {
    let other = try artifact.makeTokenizer(), induced = try induced(other, artifact)
    let entries = min(extent.entries, artifact.spec.vocabularySize)
    var made: [(probe: Certificate.Probe, references: [Certificate.Reference])] = []
    for probe in probes {
      let reading = ProbeReading(scoring, tokenizer, other, induced, vocabulary: artifact.spec.vocabularySize)
      let most = min(extent.tokens, source.spec.positionLimit.map { $0 - 1 } ?? Int.max)
      if let one = try reading.read(probe, tokens: most, entries: entries) { made.append(one) }
    }
    guard !made.isEmpty else {
      throw LMToolError(
        .usage, "the tokenizers of the model and of the original make other tokens of the same text; they cannot be compared")
    }
    let nothing = Certificate.Speech(repetition: 0, greedyRepetition: 0, distinct: 0, empty: 0, natsPerByte: 0)
    let head = Certificate.Head(
      original: fingerprint, vocabulary: artifact.spec.vocabularySize, entries: entries, probes: made.map(\.probe), prompts: [],
      sampling: extent.sampling, originalSpeech: nothing, speech: nothing,
      figures: Certificate.Figures(
        bitsPerByteBefore: 1, bitsPerByte: 0, bestBefore: 0, divergence: 0, divergence99: 0, topAgreement: 0, overlap: 0))
    return Certificate(head: head, references: made.map(\.references))
  }

  // MARK: What the file says

  private func complete(_ certificate: Certificate, _ artifact: ModelSource) throws(LMToolError) -> Certificate {
    var certificate = certificate
    let own = Prompts(source, tokenizer), other = try artifact.makeTokenizer(), theirs = Prompts(artifact, other)
    let sampling = certificate.head.sampling
    let said = Continuations(model, prompts: own.ids, ends: source.endTokens, sampling)
    certificate.head.prompts = theirs.texts.indices.map {
      Certificate.Prompt(
        text: theirs.texts[$0], ids: theirs.ids[$0],
        original: String(decoding: tokenizer.decode(said.greedy[$0]), as: UTF8.self), greedy: [], samples: [])
    }
    certificate.head.originalSpeech = Certificate.Speech(said)
    certificate.head.originalSpeech.natsPerByte = try natsPerByte(own, said.samples)
    let measured = try CertificateMeasuring(artifact, certificate)
    for index in certificate.head.prompts.indices {
      certificate.head.prompts[index].greedy = measured.continuations.greedy[index]
      certificate.head.prompts[index].samples = measured.continuations.samples[index]
    }
    certificate.head.figures = measured.figures
    certificate.head.speech = measured.speech
    let samples = measured.continuations.samples.map { all in all.map { translated($0, from: other) } }
    certificate.head.speech.natsPerByte = try natsPerByte(own, samples)
    return certificate
  }

  /// Tokens of a file as the original's.
  private func translated(_ tokens: [Int32], from other: Tokenizer) -> [Int32] {
    guard other.definition.vocabularySize != tokenizer.definition.vocabularySize else { return tokens }
    let text = String(decoding: tokens.flatMap { other.bytes(of: $0) }, as: UTF8.self)
    return tokenizer.encode(text, addSpecial: false)
  }

  /// The likelihood of continuations under the original.
  private func natsPerByte(_ prompts: Prompts, _ samples: [[[Int32]]]) throws(LMToolError) -> Double {
    var nats = 0.0, bytes = 0
    for (prompt, continuations) in zip(prompts.ids, samples) {
      for tokens in continuations where !tokens.isEmpty {
        nats += try scoring.nats(prompt + tokens, from: prompt.count, isWhole: true)
        bytes += tokens.reduce(0) { $0 + tokenizer.bytes(of: $1).count }
      }
    }
    return nats / Double(max(1, bytes))
  }
}

/// What a model is made to go on with.
private struct Prompts {
  let texts: [String]
  let ids: [[Int32]]

  init(_ source: ModelSource, _ tokenizer: Tokenizer) {
    let format = ChatFormat(source, tokenizer)
    texts = format.isPlain ? CertificateProbe.openings : CertificateProbe.questions
    ids = texts.map { format.tokens(asking: $0) }
  }
}
