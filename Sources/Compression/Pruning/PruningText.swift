import Models
import Tensors

/// What a pruning knows of texts: as much as it needs.
struct PruningText {
  /// Second moments and sensitivities, where channels or heads are to be ranked.
  private(set) var calibration: Calibration?
  /// The windows to prune by; nil where no text is needed.
  private(set) var kept: TokenWindows?
  /// The windows to judge by.
  private(set) var aside: TokenWindows?
  /// Whether the text is one of the user's, which tells which tokens nobody needs.
  let isGiven: Bool

  /// Whether these options name a text of the user's.
  static func isGiven(_ text: CalibrationOptions) -> Bool { text.file != nil || !text.isOwnSamples }

  /// Gathers the text that `options` need, or is given.
  ///
  /// - Parameter path: where moments are saved while they are needed.
  init(
    _ source: ModelSource, _ options: PruningOptions, _ text: CalibrationOptions, heldOut: Int, savingTo path: String,
    progress: ProgressConsumer?, warn: (String) -> Void
  ) throws(LMToolError) {
    isGiven = Self.isGiven(text)
    if options.isStructural || options.width != nil {
      let calibration = try Calibration.obtain(source, text, savingTo: path, progress: progress, warn: warn)
      let (kept, aside) = calibration.split(heldOut: heldOut)
      (self.calibration, self.kept, self.aside) = (kept, kept.windows, aside)
    } else if isGiven || options.searchesLayers || options.sparsity?.method.needsMoments ?? false {
      let text = try CalibrationText.obtain(source, text, progress: progress)
      text.warnings.forEach(warn)
      let count = min(heldOut, (text.windows.count + 7) / 8) * text.windows.length
      aside = TokenWindows(Array(text.windows.tokens.suffix(count)), length: text.windows.length)
      kept =
        text.windows.count > 1
        ? TokenWindows(Array(text.windows.tokens.dropLast(count)), length: text.windows.length) : text.windows
    }
  }
}
