import Models
import Tensors
import Tokenizers

/// The text that a model is calibrated on: windows of tokens, mixed evenly from all that was given.
public struct CalibrationText: Sendable {
  /// What windows came from.
  public struct Source: Sendable, Equatable, Codable {
    /// A path, or "own samples".
    public var name: String
    /// How many windows.
    public var windows: Int
    /// Which of all windows these are.
    var indices: [Int] = []

    private enum CodingKeys: CodingKey { case name, windows }
  }

  /// The windows.
  let windows: TokenWindows
  /// What the windows came from.
  public let sources: [Source]
  /// What the person who gave the text should know.
  public let warnings: [String]

  /// Tokens of a window.
  public var window: Int { windows.length }
  /// Tokens in all.
  public var tokens: Int { windows.tokens.count }

  /// Gathers the text that `options` ask for.
  ///
  /// - Throws: `usage` for options that contradict each other; `missingInput`; `badInput` for files that are empty, no text, or hold too
  ///   little of it.
  public init(_ source: ModelSource, _ options: CalibrationOptions, progress: ProgressConsumer? = nil) throws(LMToolError) {
    try options.validate(for: source.spec)
    let length = options.windowLength(for: source.spec), tokens = options.tokenCount(for: source.spec)
    if options.isOwnSamples {
      let samples = try Self.samples(source, options, tokens: tokens, length: length, progress: progress)
      try self.init([samples], length: length, warnings: [])
    } else {
      try self.init(files: options, source, tokens: tokens, length: length, progress: progress)
    }
  }

  /// The text that `options` ask for, where they name a calibration the one that it was made with.
  ///
  /// - Throws: what `init` and `Calibration.init` throw.
  public static func obtain(
    _ source: ModelSource, _ options: CalibrationOptions, progress: ProgressConsumer? = nil
  ) throws(LMToolError) -> CalibrationText {
    guard let file = options.file else { return try CalibrationText(source, options, progress: progress) }
    try options.validate(for: source.spec)
    return CalibrationText(of: try Calibration(file: file, for: source), name: file)
  }

  private init(of calibration: Calibration, name: String) { self.init(calibration.windows, name: name) }

  /// Windows that are there already.
  init(_ windows: TokenWindows, name: String) {
    self.windows = windows
    sources = [Source(name: name, windows: windows.count, indices: Array(0..<windows.count))]
    warnings = []
  }

  /// What the model writes itself.
  private static func samples(
    _ source: ModelSource, _ options: CalibrationOptions, tokens: Int, length: Int, progress: ProgressConsumer?
  ) throws(LMToolError) -> (name: String, windows: [[Int32]]) {
    let samples = try OwnSamples(source, windows: max(1, tokens / length), length: length, seed: options.seed)
    return ("own samples", try samples.sample(progress: progress))
  }

  /// Gathers files, in shorter windows where there is too little for one, and the model's own samples beside them.
  private init(
    files options: CalibrationOptions, _ source: ModelSource, tokens: Int, length: Int, progress: ProgressConsumer?
  ) throws(LMToolError) {
    let tokenizer = try source.makeTokenizer()
    var supplies: [any WindowSupply] = []
    for path in options.texts { supplies.append(try TextSupply(path: path, tokenizer: tokenizer, tokens: tokens)) }
    for path in options.chats {
      supplies.append(try ChatSupply(path: path, source: source, tokenizer: tokenizer, tokens: tokens))
    }
    var length = length, wanted = max(1, tokens / length)
    while supplies.allSatisfy({ $0.available(length: length) == 0 }) {
      guard length > CalibrationOptions.leastWindow else {
        throw LMToolError(
          .badInput,
          "there are fewer than \(length) tokens in it, too few to calibrate on; give more text, or none for the model's "
            + "own samples", file: (options.texts + options.chats).joined(separator: ", "))
      }
      length = max(CalibrationOptions.leastWindow, length / 2)
      wanted = max(1, tokens / length)
    }
    let shares = Self.shares(of: wanted, supplies.map { min(wanted, $0.available(length: length)) })
    var warnings = supplies.flatMap(\.warnings), parts: [(name: String, windows: [[Int32]])] = []
    for (supply, share) in zip(supplies, shares) {
      parts.append((supply.path, try supply.windows(share, length: length)))
    }
    let found = parts.reduce(0) { $0 + $1.windows.count }
    if found * length < wanted * length || length < options.windowLength(for: source.spec) {
      warnings.append(
        "the calibration text has only \(found * length) tokens in windows of \(length), of \(tokens) that are wanted; more text "
          + "makes a better model")
    }
    if let own = options.ownSamples {
      parts.append(try Self.samples(source, options, tokens: own, length: length, progress: progress))
    }
    try self.init(parts, length: length, warnings: warnings)
  }

  /// Mixes the windows of all parts evenly.
  private init(_ parts: [(name: String, windows: [[Int32]])], length: Int, warnings: [String]) throws(LMToolError) {
    var places: [(place: Double, part: Int, index: Int)] = []
    for (part, windows) in parts.enumerated() {
      for index in windows.windows.indices {
        places.append(((Double(index) + 0.5) / Double(windows.windows.count), part, index))
      }
    }
    places.sort { ($0.place, $0.part) < ($1.place, $1.part) }
    windows = TokenWindows(places.flatMap { parts[$0.part].windows[$0.index] }, length: length)
    sources = parts.enumerated().map { part, windows in
      Source(name: windows.name, windows: windows.windows.count, indices: places.indices.filter { places[$0].part == part })
    }
    self.warnings = warnings
    guard windows.count > 0 else { throw LMToolError(.badInput, "there is no text to calibrate on") }
  }

  /// Deals `wanted` windows out, equally where all have enough.
  static func shares(of wanted: Int, _ available: [Int]) -> [Int] {
    var shares = available.map { _ in 0 }, left = wanted
    while left > 0 {
      let open = available.indices.filter { shares[$0] < available[$0] }
      if open.isEmpty { break }
      for index in open.prefix(left) { shares[index] += 1 }
      left -= min(left, open.count)
    }
    return shares
  }
}

/// A file that windows are cut from.
protocol WindowSupply {
  /// The path.
  var path: String { get }
  /// What its owner should know.
  var warnings: [String] { get }

  /// How many windows it can give at most, as far as it is worth knowing.
  func available(length: Int) -> Int

  /// So many windows, spread evenly over the file; fewer where it has fewer after all.
  func windows(_ count: Int, length: Int) throws(LMToolError) -> [[Int32]]
}
