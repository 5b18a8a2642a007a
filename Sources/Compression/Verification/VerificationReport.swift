import Models

/// What `verify` found, check by check.
public struct VerificationReport: Codable, Sendable {
  /// One check.
  public struct Check: Codable, Sendable {
    /// What was checked.
    public var name: String
    /// Whether it holds.
    public var passed: Bool
    /// A figure, or what is wrong.
    public var detail: String
  }

  /// The checks, in the order in which they were made.
  public var checks: [Check] = []
  /// Bytes of the file.
  public var bytes: Int
  /// Bits per weight of the whole file.
  public var bitsPerWeight: Double = 0
  /// What is known of its quality; nil when the file has no certificate, or a broken one, and no original was at hand.
  public var quality: QualityReport?

  /// Whether every check holds.
  public var passed: Bool { checks.allSatisfy(\.passed) }

  mutating func add(_ name: String, _ problem: String?, _ detail: String) {
    checks.append(Check(name: name, passed: problem == nil, detail: problem ?? detail))
  }

  /// Adds a check that fails for all of `reasons`, and holds without any.
  mutating func add(_ name: String, reasons: [String], _ detail: String) {
    add(name, reasons.isEmpty ? nil : reasons.joined(separator: "; "), detail)
  }

  private enum CodingKeys: String, CodingKey {
    case checks, bytes, passed, quality
    case bitsPerWeight = "bits_per_weight"
  }

  /// Writes the checks and the verdict.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(checks, forKey: .checks)
    try container.encode(bytes, forKey: .bytes)
    try container.encode(bitsPerWeight, forKey: .bitsPerWeight)
    try container.encodeIfPresent(quality, forKey: .quality)
    try container.encode(passed, forKey: .passed)
  }

  /// Reads what `encode` wrote.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    checks = try container.decode([Check].self, forKey: .checks)
    bytes = try container.decode(Int.self, forKey: .bytes)
    bitsPerWeight = try container.decode(Double.self, forKey: .bitsPerWeight)
    quality = try container.decodeIfPresent(QualityReport.self, forKey: .quality)
  }

  init(bytes: Int) { self.bytes = bytes }

  /// Says of the size whether it is within a budget.
  mutating func addBudget(_ budget: Int?) {
    guard let budget else { return }
    let problem = bytes > budget ? "\(bytes) bytes are \(bytes - budget) more than the budget of \(budget)" : nil
    add("budget", problem, "\(bytes) of \(budget) bytes")
  }
}

/// What is verified beyond the bytes of a file.
public struct QualityDemands: Sendable {
  /// The worst grade that passes; nil where any does.
  public var minimumGrade: FidelityGrade?
  /// The original, to make the record of the file again.
  public var original: ModelSource?
  /// Whether texts and answers are to be in the report, one by one.
  public var details: Bool

  /// Demands; without any, a file must be coherent and do what its record says.
  public init(minimumGrade: FidelityGrade? = nil, original: ModelSource? = nil, details: Bool = false) {
    self.minimumGrade = minimumGrade
    self.original = original
    self.details = details
  }
}
