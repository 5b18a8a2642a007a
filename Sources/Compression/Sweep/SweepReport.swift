import Tensors

/// The size/quality curve of a model: files of many sizes, and how far each is from the original.
public struct SweepReport: Codable, Sendable {
  /// What made a file.
  public enum Kind: String, Codable, Sendable, CaseIterable {
    /// `compress` with a budget.
    case budget
    /// A fixed grid of 8 or 4 bits.
    case grid
    /// Another program: a file that was given.
    case gguf
  }

  /// A file.
  public struct Point: Codable, Sendable {
    /// What made it.
    public var kind: Kind
    /// What to call it: a recipe, or the name of a file.
    public var label: String
    /// The most bytes that were allowed.
    public var budget: Int?
    /// Bytes of the file.
    public var bytes: Int
    /// Bits of the file for a weight of the original.
    public var bitsPerWeight: Double
    /// Quality, one for each text.
    public var quality: [RateReport.Quality]
    /// How it was compressed, where that is known.
    public var compression: RateReport?
  }

  /// What could not be made.
  public struct Miss: Codable, Sendable {
    /// What to call it.
    public var label: String
    /// Why.
    public var reason: String
  }

  /// The path of the original.
  public var model: String
  /// Bytes of its files.
  public var originalBytes: Int
  /// Its weights.
  public var parameters: Int
  /// The texts that all files were measured on.
  public var texts: [String]
  /// Tokens of a window.
  public var window: Int
  /// The files, in the order in which they were asked for.
  public var points: [Point] = []
  /// What could not be made.
  public var misses: [Miss] = []
}
