import Tensors

extension Certificate {
  /// The most raw bytes of a record (CERT-1).
  static let mostBytes = 4_194_304

  /// The record as bytes (CERT-1).
  public func encoded() throws(LMToolError) -> [UInt8] {
    let json = try encodeJSON(head)
    var bytes = [UInt8](number: json.count, width: 4) + json
    let all = references.flatMap { $0 }, ids = all.flatMap(\.ids)
    for plane in 0..<3 { bytes += ids.map { UInt8(truncatingIfNeeded: $0 >> Int32(8 * plane)) } }
    for plane in 0..<2 { bytes += all.map { UInt8(truncatingIfNeeded: $0.first >> UInt16(8 * plane)) } }
    return bytes + all.flatMap(\.falls)
  }

  /// Reads a record.
  ///
  /// - Throws: `badInput` by the rule of `formats/certificate.md` that is broken.
  public init(encoded bytes: [UInt8]) throws(LMToolError) {
    guard (4...Self.mostBytes).contains(bytes.count) else { throw Self.broken("it has \(bytes.count) bytes", 1) }
    let length = bytes[0..<4].reversed().reduce(0) { $0 << 8 | Int($1) }
    guard length <= bytes.count - 4 else { throw Self.broken("its JSON has \(length) bytes, more than there are", 1) }
    do throws(LMToolError) {
      head = try Array(bytes[4..<4 + length]).withUnsafeBytesTyped { (json) throws(LMToolError) in
        try decodeJSON(Head.self, bytes: json)
      }
    } catch { throw Self.broken(error.message, 2) }
    try head.check()
    references = try Self.references(bytes[(4 + length)...], head)
  }

  private static func references(_ bytes: ArraySlice<UInt8>, _ head: Head) throws(LMToolError) -> [[Reference]] {
    let counts = head.probes.map(\.gaps.count), total = counts.reduce(0, +), entries = head.entries
    guard bytes.count == total * (4 * entries + 2) else {
      throw broken("\(bytes.count) bytes are not those of \(total) references of \(entries) tokens", 1)
    }
    let ids = Array(bytes.prefix(3 * total * entries)), firsts = Array(bytes.dropFirst(ids.count).prefix(2 * total))
    let falls = Array(bytes.suffix(total * entries)), size = total * entries
    var all: [Reference] = []
    for index in 0..<total {
      let range = index * entries..<(index + 1) * entries
      let own = range.map { Int32(ids[$0]) | Int32(ids[size + $0]) << 8 | Int32(ids[2 * size + $0]) << 16 }
      guard own.allSatisfy({ $0 < head.vocabulary }), Set(own).count == entries else {
        throw broken("reference \(index) has a token twice, or one that the vocabulary lacks", 6)
      }
      all.append(
        Reference(ids: own, first: UInt16(firsts[index]) | UInt16(firsts[total + index]) << 8, falls: Array(falls[range])))
    }
    var rest = all[...]
    return counts.map { count in
      defer { rest = rest.dropFirst(count) }
      return Array(rest.prefix(count))
    }
  }

  static func broken(_ problem: String, _ rule: Int) -> LMToolError {
    LMToolError(.badInput, "the certificate is broken: \(problem)", at: .key("certificate"), rule: "CERT-\(rule)")
  }
}

extension Certificate.Head {
  /// Tokens of all probes, of a prompt, and of a continuation, at most (CERT-4, CERT-5).
  static let mostTokens = 8192, mostPrompt = 1024, longest = 256
  /// The share of runs of four tokens that a probe may repeat: anything can be expected of a text that says one thing over and over (CERT-4).
  static let mostRepetition = 0.5
  /// Places of all texts that are written side by side, which take memory for keys and values (CERT-5).
  static let mostPlaces = 32_768

  /// Checks numbers before anything is done by them.
  func check() throws(LMToolError) {
    func require(_ holds: Bool, _ problem: String, _ rule: Int) throws(LMToolError) {
      if !holds { throw Certificate.broken(problem, rule) }
    }
    try require(version == 1, "its version is \(version), not 1; a newer lmtool is needed", 2)
    try require((1...1 << 24).contains(vocabulary), "the vocabulary has \(vocabulary) tokens", 3)
    try require((1...min(64, vocabulary)).contains(entries), "references have \(entries) tokens", 3)
    try require((1...16).contains(probes.count) && (1...16).contains(prompts.count), "too many or no texts or prompts", 3)
    var tokens = 0
    for probe in probes {
      try require(hold(probe.ids) && probe.ids.count >= 2, "a probe has a token that the vocabulary lacks, or too few", 4)
      tokens += probe.ids.count
      try require(tokens <= Self.mostTokens, "the probes have more than \(Self.mostTokens) tokens", 4)
      try require((0..<probe.ids.count).contains(probe.start), "a probe starts beyond its end", 4)
      try require(Repetition.share(of: [probe.ids]) <= Self.mostRepetition, "a probe repeats itself", 4)
      let room = probe.ids.count
      try require(probe.gaps.allSatisfy { (1...room).contains($0) } && probe.gaps.count <= room, "a gap is no distance", 4)
      try require(probe.gaps.reduce(0, +) <= room && probe.gaps.first ?? room > probe.start, "a position is beyond its probe", 4)
      try require((1...1 << 20).contains(probe.bytes) && probe.nats.isFinite && probe.nats > 0, "a probe has no likelihood", 4)
    }
    try require(probes.contains { !$0.gaps.isEmpty }, "there are no references", 4)
    try require((1...Self.longest).contains(sampling.length), "continuations of \(sampling.length) tokens", 5)
    try require((1...4).contains(sampling.samples), "\(sampling.samples) samples of a prompt", 5)
    try require(
      sampling.temperature > 0 && sampling.temperature <= 2 && (1...1000).contains(sampling.topK) && sampling.seed >= 0,
      "tokens cannot be drawn so", 5)
    for prompt in prompts {
      let said = prompt.samples + [prompt.greedy]
      try require((1...Self.mostPrompt).contains(prompt.ids.count) && hold(prompt.ids), "a prompt is none", 5)
      try require(prompt.samples.count == sampling.samples, "a prompt has \(prompt.samples.count) samples", 5)
      try require(said.allSatisfy { $0.count <= sampling.length && hold($0) }, "a continuation is none", 5)
    }
    let texts = prompts.count * (sampling.samples + 1), longest = prompts.map(\.ids.count).max() ?? 0
    try require(texts * (longest + sampling.length) <= Self.mostPlaces, "prompts and continuations are too long together", 5)
    let numbers: [Double] =
      [originalSpeech, speech].flatMap { [$0.repetition, $0.greedyRepetition, $0.distinct, $0.natsPerByte] }
      + [
        figures.bitsPerByteBefore, figures.bitsPerByte, figures.bestBefore, figures.best, figures.divergence,
        figures.divergence99, figures.topAgreement, figures.overlap,
      ]
    try require(numbers.allSatisfy { $0.isFinite && $0 >= 0 } && figures.bitsPerByteBefore > 0, "a figure is no number", 7)
  }

  private func hold(_ ids: [Int32]) -> Bool { ids.allSatisfy { $0 >= 0 && $0 < vocabulary } }
}

extension [UInt8] {
  /// A number in `width` bytes, little-endian.
  init(number: Int, width: Int) { self = (0..<width).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
}
