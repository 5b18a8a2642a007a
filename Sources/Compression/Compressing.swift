import Artifacts
import Models
import OrderedCollections
import Quantization
import Tensors
import Tokenizers

/// What `compress` did.
public struct CompressionReport: Codable, Sendable {
  /// Bytes of the original files.
  public var originalBytes: Int
  /// Bytes of the artifact.
  public var bytes: Int
  /// Parameters.
  public var parameters: Int
  /// The recipe that was chosen.
  public var recipe: JSONValue
  /// Recipes that were tried before and did not fit, with the size they led to.
  public var tooLarge: [String: Int]
  /// The verification of the artifact.
  public var verification: VerificationReport

  /// Bits of the file per weight.
  public var bitsPerWeight: Double { Double(8 * bytes) / Double(max(1, parameters)) }
}

/// The whole chain: any checkpoint in, one verified artifact out.
public enum Compressing {
  /// The recipes that a budget chooses from, best first.
  public static let candidates: [(name: String, recipe: QuantizationRecipe)] = [
    ("int8", .int8), ("int4 with int8 embedding", .int4), ("int4", .int4Embedding),
  ]

  /// Quantizes, packs and verifies `source`.
  ///
  /// - Parameters:
  ///   - budget: the most bytes that the file may have; nil takes the first candidate.
  ///   - recipe: a recipe instead of the candidates.
  /// - Throws: `usage` when nothing fits, saying how small it can be made; nothing is left behind then.
  public static func run(
    _ source: ModelSource, to path: String, budget: Int?, recipe: QuantizationRecipe? = nil, progress: ProgressConsumer? = nil
  ) throws(LMToolError) -> CompressionReport {
    let sources = Exporting.provenance(of: source)
    let tries = recipe.map { [("the given recipe", $0)] } ?? candidates
    var tooLarge: [String: Int] = [:]
    for (name, recipe) in tries {
      let floor = smallest(source, recipe)
      if let budget, floor > budget {
        tooLarge[name] = floor
        continue
      }
      let size = try attempt(source, recipe, to: path, budget: budget, sources: sources, progress: progress)
      if budget.map({ size <= $0 }) ?? true {
        let verification = try Verifying.run(path, budget: budget, progress: progress)
        return CompressionReport(
          originalBytes: sources.reduce(0) { $0 + $1.size }, bytes: size, parameters: source.parameterCount, recipe: recipe.json,
          tooLarge: tooLarge, verification: verification)
      }
      tooLarge[name] = size
    }
    let least = tooLarge.values.min() ?? 0
    throw LMToolError(
      .usage, "nothing fits into \(budget ?? 0) bytes; the smallest recipe gives \(least), so ask for at least that much",
      file: source.path)
  }

  /// A bound that no packing of a recipe goes below: half of its codes, which an int8 or int4 grid with searched clip never
  /// reaches. It saves the work of recipes that are out of the question.
  static func smallest(_ source: ModelSource, _ recipe: QuantizationRecipe) -> Int {
    source.spec.tensors.reduce(0) { sum, tensor in
      guard let scheme = recipe.scheme(of: tensor) else { return sum }
      return sum + tensor.shape[0] * tensor.shape[1] * scheme.bits / 16
    }
  }

  /// Quantizes into a temporary folder beside `path` and packs it; the file gets its name only when it fits.
  private static func attempt(
    _ source: ModelSource, _ recipe: QuantizationRecipe, to path: String, budget: Int?,
    sources: [ArtifactManifest.Provenance.Source], progress: ProgressConsumer?
  ) throws(LMToolError) -> Int {
    let work = WorkFolder(beside: path)
    try Quantizing.run(source, recipe: recipe, to: work.path, progress: progress)
    var quantized = try ModelSource.open(work.path)
    quantized.tokenizer = source.tokenizer
    quantized.tokenizerProblem = source.tokenizerProblem
    quantized.chatTemplate = source.chatTemplate
    quantized.generation = source.generation
    return try Exporting.lmz(
      quantized, to: path, recipe: .object(["compress": recipe.json]), sources: sources, limit: budget, progress: progress)
  }
}
