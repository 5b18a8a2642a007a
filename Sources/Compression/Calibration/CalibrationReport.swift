import Models

/// What a calibration found, for people.
public struct CalibrationReport: Codable, Sendable {
  /// A matrix and how much it matters.
  public struct Matrix: Codable, Sendable {
    /// The tensor.
    public var name: String
    /// How much it matters: twice the nats of KL for an output that moves by one unit squared.
    public var sensitivity: Double
  }

  /// One layer.
  public struct Layer: Codable, Sendable {
    /// Its number, from 0.
    public var layer: Int
    /// Its matrices.
    public var matrices: [Matrix]
    /// In how many directions the inputs of its groups lie, in the order of computation.
    public var effectiveRanks: [Double]

    /// The matrix that matters most, the first of equals.
    public var most: Matrix { matrices.reduce(matrices[0]) { $1.sensitivity > $0.sensitivity ? $1 : $0 } }
    /// The matrix that matters least.
    public var least: Matrix { matrices.reduce(matrices[0]) { $1.sensitivity < $0.sensitivity ? $1 : $0 } }
  }

  /// Tokens in all.
  public var tokens: Int
  /// Windows.
  public var windows: Int
  /// Tokens of a window.
  public var window: Int
  /// What the windows came from.
  public var sources: [CalibrationText.Source]
  /// What the person who gave the text should know.
  public var warnings: [String]
  /// For an element of the embedding of an input token.
  public var embeddingSensitivity: Double
  /// The layers.
  public var layers: [Layer]
  /// Seconds for everything.
  public var seconds: Double

  /// The report of a calibration that was just made.
  public init(_ calibration: Calibration, _ text: CalibrationText, _ spec: ModelSpec, seconds: Double) {
    tokens = calibration.tokens
    window = calibration.window
    windows = tokens / max(1, window)
    sources = text.sources
    warnings = text.warnings + calibration.warnings
    embeddingSensitivity = calibration.sensitivities.embedding
    self.seconds = seconds
    layers = spec.layers.enumerated().map { index, layer in
      let groups = MatrixGroup.groups(of: layer, layer: index)
      let names = groups.flatMap { $0.linears.map(\.weight.name) }
      return Layer(
        layer: index, matrices: names.map { Matrix(name: $0, sensitivity: calibration.sensitivities.matrices[$0] ?? 0) },
        effectiveRanks: Array(calibration.effectiveRanks[index * groups.count..<(index + 1) * groups.count]))
    }
  }
}
