import Artifacts
import Inference
import Kernels
import Models
import Tensors
import Tokenizers

/// Reads probes with the original, for a model whose vocabulary is its own or a part of it.
struct ProbeReading {
  private let scoring: TextScoring
  private let tokenizer: Tokenizer
  private let other: Tokenizer
  private let induced: InducedDistribution?
  private let vocabulary: Int

  /// - Parameters:
  ///   - tokenizer: the original's.
  ///   - other: the tokenizer of the model in the file, which has `vocabulary` rows.
  init(
    _ scoring: TextScoring, _ tokenizer: Tokenizer, _ other: Tokenizer, _ induced: InducedDistribution?, vocabulary: Int
  ) {
    self.scoring = scoring
    self.tokenizer = tokenizer
    self.other = other
    self.induced = induced
    self.vocabulary = vocabulary
  }

  /// What the original makes of the first `tokens` tokens of a probe, with a reference at each.
  ///
  /// - Returns: nil where the two tokenizers do not agree, or the text is too short.
  func read(
    _ probe: CertificateProbe, tokens: Int, entries: Int
  ) throws(LMToolError) -> (probe: Certificate.Probe, references: [Certificate.Reference])? {
    let text = cut(probe.text, tokens: tokens), ids = tokenizer.encode(text, addSpecial: false)
    let pieces = induced.map { induced in ids.map { Array(induced.splits[$0]) } } ?? ids.map { [$0] }
    let whole = pieces.flatMap { $0 }, first = scoring.scoresFirst ? 0 : 1
    guard ids.count > 8, other.encode(text, addSpecial: false) == whole, whole.allSatisfy({ $0 < vocabulary }) else { return nil }
    guard Repetition.share(of: [whole]) <= Certificate.Head.mostRepetition else {
      throw LMToolError(
        .usage, "the text \(probe.name.printable) says one thing over and over, of which nothing can be told; give another")
    }
    var starts: [Int] = [], place = 0
    for piece in pieces {
      starts.append(place)
      place += piece.count
    }
    let (nats, references) = try expect(ids, from: first, entries: entries)
    var last = -1
    let gaps = starts[first...].map { start in
      defer { last = start }
      return start - last
    }
    let bytes = other.bytes(of: whole, from: starts[first], text: text)
    let made = Certificate.Probe(
      name: probe.name, text: text, ids: whole, gaps: gaps, start: starts[first], bytes: bytes, nats: max(nats, 1e-9))
    return (made, references)
  }

  /// The beginning of a text, whole characters of it.
  private func cut(_ text: String, tokens: Int) -> String {
    let ids = tokenizer.encode(text, addSpecial: false)
    guard ids.count > tokens else { return text }
    let bytes = tokenizer.decode(Array(ids.prefix(tokens)))
    return String(String.UnicodeScalarView(String(decoding: bytes, as: UTF8.self).unicodeScalars.filter { $0 != "\u{FFFD}" }))
  }

  private func expect(
    _ ids: [Int32], from first: Int, entries: Int
  ) throws(LMToolError) -> (nats: Double, references: [Certificate.Reference]) {
    var nats = [Double](repeating: 0, count: ids.count)
    var references = [Certificate.Reference?](repeating: nil, count: ids.count)
    try nats.withUnsafeMutableBufferPointer { (nats) throws(LMToolError) in
      nonisolated(unsafe) let nats = nats
      try references.withUnsafeMutableBufferPointer { (references) throws(LMToolError) in
        nonisolated(unsafe) let references = references
        try scoring.forEachToken(ids, from: first) { expected in
          nats[expected.index] = expected.logSum - Double(expected.logits[Int(ids[expected.index])])
          references[expected.index] = reference(expected, entries: entries)
        }
      }
    }
    return (nats.reduce(0, +), references.compactMap { $0 })
  }

  private func reference(_ expected: TextScoring.Expectation, entries: Int) -> Certificate.Reference {
    guard let induced else {
      return Certificate.Reference(expected.logits, vocabulary: vocabulary, logSum: expected.logSum, count: entries)
    }
    let pieces = induced.firstPieces(expected.logits, count: vocabulary)
    return pieces.withUnsafeBufferPointer { pieces in
      Certificate.Reference(pieces.baseAddress!, vocabulary: vocabulary, logSum: expected.logSum, count: entries)
    }
  }
}

extension Certificate {
  /// Drops references, evenly, until the record has at most `allowance` bytes; figures have no part in it yet.
  ///
  /// - Throws: `usage` when texts and prompts alone have more.
  mutating func shrink(to allowance: Int) throws(LMToolError) {
    let room = allowance - Self.bytesOfFigures
    let (all, probes) = (references, head.probes)
    var kept = all.map(\.count).max() ?? 0
    while kept > 1, try packedBytes() > room {
      kept = kept * 9 / 10
      for index in probes.indices {
        let positions = probes[index].positions, count = min(kept, positions.count)
        let chosen = (0..<count).map { $0 * positions.count / count }
        references[index] = chosen.map { all[index][$0] }
        head.probes[index].gaps = Self.gaps(chosen.map { positions[$0] })
      }
    }
    let packed = try packedBytes()
    guard packed <= room else {
      throw LMToolError(
        .usage,
        "the texts of the certificate take \(packed) bytes, and a file of this size has room for \(allowance); give fewer --probe"
      )
    }
  }

  /// Keeps the references at the positions of `others` only.
  mutating func keep(_ others: [Probe]) throws(LMToolError) {
    guard head.probes.map(\.ids) == others.map(\.ids) else {
      throw LMToolError(.usage, "the original does not make the tokens of the record of its texts; is it the original?")
    }
    for index in others.indices {
      let known = Dictionary(uniqueKeysWithValues: zip(head.probes[index].positions, references[index]))
      references[index] = others[index].positions.compactMap { known[$0] }
      guard references[index].count == others[index].gaps.count else {
        throw LMToolError(.usage, "the record has references where the original has none; is it the original?")
      }
      head.probes[index].gaps = others[index].gaps
    }
  }

  /// Bytes of the record in the file.
  public func packedBytes() throws(LMToolError) -> Int { try ArtifactWriter.packedBytes(blob: try encoded()) }

  /// Eight numbers of at most 24 characters.
  private static let bytesOfFigures = 192

  private static func gaps(_ positions: [Int]) -> [Int] { zip(positions, [-1] + positions).map { $0 - $1 } }
}
