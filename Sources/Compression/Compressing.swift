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
  /// What was chosen.
  public var choice: String
  /// The recipe that was chosen; nil when the codes of the source were kept.
  public var recipe: JSONValue?
  /// What was tried before and did not fit, with the size it led to.
  public var tooLarge: [String: Int]
  /// The verification of the artifact.
  public var verification: VerificationReport

  /// Bits of the file per weight.
  public var bitsPerWeight: Double { Double(8 * bytes) / Double(max(1, parameters)) }
}

/// The whole chain: any checkpoint in, one verified artifact out.
public enum Compressing {
  /// A way to make the artifact; without a recipe the codes of a quantized source are packed as they are.
  struct Candidate {
    var name: String
    var recipe: QuantizationRecipe?
  }

  /// What a budget chooses from, best first. A source that is quantized already loses nothing when its codes are kept.
  static func candidates(for source: ModelSource) -> [Candidate] {
    let recipes: [Candidate] = [
      Candidate(name: "int8", recipe: .int8), Candidate(name: "int4 with minimum, int8 embedding", recipe: .int4Minimum),
      Candidate(name: "int4, int8 embedding", recipe: .int4), Candidate(name: "int4", recipe: .int4Embedding),
    ]
    let hasCodes = source.tensors.values.contains { $0 is any GridTensorReader || $0 is any EncodedRateTensorReader }
    guard hasCodes else { return recipes }
    let kept = Candidate(name: "the codes of the source", recipe: nil)
    return Quantizing.isQuantized(source) ? [kept] : [kept] + recipes
  }

  /// Quantizes, packs and verifies `source`.
  ///
  /// - Parameters:
  ///   - budget: the most bytes that the file may have; nil takes the first candidate.
  ///   - recipe: a recipe instead of the candidates.
  ///   - certificate: makes the record of quality that goes into the file; nil leaves it out.
  /// - Throws: `usage` when nothing fits, saying how small it can be made; nothing is left behind then.
  public static func run(
    _ source: ModelSource, to path: String, budget: Int?, recipe: QuantizationRecipe? = nil,
    certificate: CertificateRequest? = nil, progress: ProgressConsumer? = nil
  ) throws(LMToolError) -> CompressionReport {
    try OutputPath.check(path, against: source)
    let sources = Exporting.provenance(of: source)
    var tooLarge: [String: Int] = [:]
    for candidate in recipe.map({ [Candidate(name: "the given scheme", recipe: $0)] }) ?? candidates(for: source) {
      let size = try attempt(
        source, candidate.recipe, to: path, budget: budget, sources: sources, certificate, progress: progress)
      if budget.map({ size <= $0 }) ?? true {
        let quality = certificate == nil ? nil : QualityDemands()
        let verification = try Verifying.run(path, budget: budget, quality: quality, progress: progress)
        return CompressionReport(
          originalBytes: sources.reduce(0) { $0 + $1.size }, bytes: size, parameters: source.parameterCount,
          choice: candidate.name,
          recipe: candidate.recipe?.json, tooLarge: tooLarge, verification: verification)
      }
      tooLarge[candidate.name] = size
    }
    let least = tooLarge.values.min() ?? 0
    throw LMToolError(
      .usage, "nothing fits into \(budget ?? 0) bytes; the smallest file would have \(least), so ask for at least that much",
      file: source.path)
  }

  /// Quantizes into a temporary folder beside `path` and packs it; the file gets its name only when it fits.
  private static func attempt(
    _ source: ModelSource, _ recipe: QuantizationRecipe?, to path: String, budget: Int?,
    sources: [ArtifactManifest.Provenance.Source], _ certificate: CertificateRequest?, progress: ProgressConsumer?
  ) throws(LMToolError) -> Int {
    guard let recipe else {
      return try Exporting.lmz(
        source, to: path, recipe: .object(["compress": .string("codes kept")]), sources: sources, limit: budget,
        certificate: certificate, progress: progress)
    }
    let work = try WorkFolder(beside: path)
    let folder = work.path + "/model"
    try Quantizing.run(source, recipe: recipe, to: folder, progress: progress)
    var quantized = try ModelSource.open(folder)
    quantized.tokenizer = source.tokenizer
    quantized.tokenizerProblem = source.tokenizerProblem
    quantized.chatTemplate = source.chatTemplate
    quantized.generation = source.generation
    return try Exporting.pack(
      quantized, to: path, recipe: .object(["compress": recipe.json]), sources: sources, limit: budget, certificate: certificate,
      progress: progress)
  }
}
