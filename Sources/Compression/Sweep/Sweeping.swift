import Artifacts
import Models
import Tensors

/// Makes files of many sizes from a model, and measures each.
public struct Sweeping {
  /// Compresses to at most so many bytes: where the artifact is, and how it was made where that is known.
  public typealias Compression = (_ budget: Int, _ progress: ProgressConsumer?) throws(LMToolError) -> (
    path: String, report: RateReport?
  )

  /// One file to make or open, and to measure.
  public enum Step: Sendable {
    /// A file of another program.
    case gguf(ModelSource)
    /// The model in a grid.
    case grid(String, QuantizationRecipe)
    /// The model in at most so many bytes.
    case budget(Int)
  }

  /// What came of a step.
  public enum Outcome: Sendable {
    /// A file.
    case point(SweepReport.Point)
    /// Nothing, as for a budget that is too small for the model.
    case miss(String, LMToolError)
  }

  /// Everything to be done, in order; files that are there already come first.
  public let steps: [Step]
  private let source: ModelSource
  private let measurement: QualityMeasurement
  private let folder: String

  /// Opens what is given, so that nothing is made in vain.
  ///
  /// - Parameters:
  ///   - budgets: in bytes.
  ///   - hasGrid: whether to pack the model in grids of 8 and 4 bits too.
  ///   - ggufs: paths of files of other programs.
  ///   - folder: where artifacts of grids go.
  /// - Throws: `usage` for a file of another vocabulary; what opening it throws.
  public init(
    _ source: ModelSource, budgets: [Int], hasGrid: Bool = false, ggufs: [String] = [], measurement: QualityMeasurement,
    in folder: String
  ) throws(LMToolError) {
    self.source = source
    self.measurement = measurement
    self.folder = folder
    let others = try ggufs.map { (path) throws(LMToolError) in
      let other = try ModelSource.open(path)
      try measurement.check(other)
      return other
    }
    let grids: [Step] = [
      .grid("int8", .int8), .grid("int4-min, int8 embedding", .int4Minimum), .grid("int4, int8 embedding", .int4),
      .grid("int4", .int4Embedding),
    ]
    steps = others.map { .gguf($0) } + (hasGrid ? grids : []) + budgets.map { .budget($0) }
  }

  /// A report of nothing yet, on these texts.
  public func report(texts: [String]) -> SweepReport {
    SweepReport(
      model: source.path, originalBytes: source.fileBytes, parameters: source.parameterCount, texts: texts,
      window: measurement.window)
  }

  /// Makes and measures one file.
  ///
  /// - Parameter compress: makes an artifact for a budget.
  /// - Throws: what would end the other steps too, such as a full disk. A budget that is too small, or a file that is broken, is a miss.
  public func perform(
    _ step: Step, compress: Compression, progress: ProgressConsumer? = nil
  ) throws(LMToolError) -> Outcome {
    do throws(LMToolError) {
      return .point(try point(step, compress, progress))
    } catch {
      switch error.code {
      case .usage, .badInput, .missingInput: return .miss(label(step), error)
      case .cannotCreate, .inputOutput, .bug: throw error
      }
    }
  }

  private func label(_ step: Step) -> String {
    switch step {
    case .gguf(let other): other.path.split(separator: "/").last.map(String.init) ?? other.path
    case .grid(let label, _): label
    case .budget(let budget): "\(budget) bytes"
    }
  }

  private func point(
    _ step: Step, _ compress: Compression, _ progress: ProgressConsumer?
  ) throws(LMToolError) -> SweepReport.Point {
    switch step {
    case .gguf(let other): return try point(.gguf, label(step), other, progress)
    case .grid(let label, let recipe):
      let path = folder + "/grid-\(label.map { $0.isLetter || $0.isNumber ? String($0) : "-" }.joined()).lmz"
      _ = try Compressing.run(source, to: path, budget: nil, recipe: recipe, progress: progress)
      return try point(.grid, label, try ModelSource.open(path), progress)
    case .budget(let budget):
      let (path, report) = try compress(budget, progress)
      var point = try point(.budget, label(step), try ModelSource.open(path), progress)
      point.budget = budget
      point.compression = report
      return point
    }
  }

  private func point(
    _ kind: SweepReport.Kind, _ label: String, _ other: ModelSource, _ progress: ProgressConsumer?
  ) throws(LMToolError) -> SweepReport.Point {
    let bytes = other.fileBytes
    return SweepReport.Point(
      kind: kind, label: label, bytes: bytes, bitsPerWeight: Double(8 * bytes) / Double(max(1, source.parameterCount)),
      quality: try measurement.measure(other, progress: progress))
  }
}

extension SweepReport {
  /// Adds what came of a step.
  public mutating func add(_ outcome: Sweeping.Outcome) {
    switch outcome {
    case .point(let point): points.append(point)
    case .miss(let label, let error): misses.append(Miss(label: label, reason: error.description))
    }
  }
}

extension ModelSource {
  /// Bytes of all files of a model.
  fileprivate var fileBytes: Int { files.reduce(0) { $0 + $1.count } }
}
