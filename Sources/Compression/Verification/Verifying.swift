import Artifacts
import Inference
import Models
import OrderedCollections
import Tensors
import Tokenizers

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
  /// What the certificate says; nil when the file has none, or a broken one.
  public var quality: QualityReport?

  /// Whether every check holds.
  public var passed: Bool { checks.allSatisfy(\.passed) }

  mutating func add(_ name: String, _ problem: String?, _ detail: String) {
    checks.append(Check(name: name, passed: problem == nil, detail: problem ?? detail))
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
}

/// What is verified beyond the bytes of a file.
public struct QualityDemands: Sendable {
  /// The worst grade that passes; nil where any does.
  public var minimumGrade: FidelityGrade?
  /// The original, to make the record of the file again.
  public var original: ModelSource?

  /// Demands; without any, a file must be coherent and do what its record says.
  public init(minimumGrade: FidelityGrade? = nil, original: ModelSource? = nil) {
    self.minimumGrade = minimumGrade
    self.original = original
  }
}

/// Checks an artifact from the file alone.
public enum Verifying {
  /// Checks hashes, lengths, values, tokenizer, budget and transcript of the artifact at `path`, and its quality where that is asked for.
  ///
  /// - Parameter quality: what is asked of the quality; nil leaves it at the bytes.
  /// - Throws: `missingInput` when there is no such file; what is wrong inside a file is in the report.
  public static func run(
    _ path: String, budget: Int? = nil, quality: QualityDemands? = nil, progress: ProgressConsumer? = nil
  ) throws(LMToolError) -> VerificationReport {
    var report = VerificationReport(bytes: try MappedFile(path: path).count)
    if let budget {
      let problem =
        report.bytes > budget ? "\(report.bytes) bytes are \(report.bytes - budget) more than the budget of \(budget)" : nil
      report.add("budget", problem, "\(report.bytes) of \(budget) bytes")
    }
    let artifact: Artifact
    do throws(LMToolError) {
      artifact = try Artifact(path: path)
      report.add("header and manifest", nil, "\(artifact.tensors.count) tensors, \(artifact.manifest.blobs.count) blobs")
    } catch {
      report.add("header and manifest", error.description, "")
      return report
    }
    let findings = artifact.verifyBytes(progress: progress)
    report.add(
      "hashes, frames and values", findings.isEmpty ? nil : summary(findings), "\(artifact.manifest.tensors.count) tensors sound")
    do throws(LMToolError) {
      let source = try ModelSource.open(artifact: artifact, path: path)
      report.bitsPerWeight = Double(8 * report.bytes) / Double(max(1, source.parameterCount))
      report.add("architecture", nil, "every tensor that the configuration asks for, in its shape")
      tokenizer(source, &report)
      if findings.isEmpty {
        try transcript(artifact, source, &report)
        certificate(artifact, source, quality, &report)
      }
    } catch { report.add("architecture", error.description, "") }
    return report
  }

  /// The finding that names a tensor, where there is one: it says most.
  private static func summary(_ findings: [LMToolError]) -> String {
    let named = findings.first { if case .tensor = $0.place { true } else { false } } ?? findings[0]
    return findings.count == 1 ? named.description : "\(named.description) (and \(findings.count - 1) more)"
  }

  /// Text with every kind of character must come back from its ids as it went in, or as the vocabulary spells it.
  private static let sample = "The quick brown fox — 12,345.67 naïve façades; 東京 🙂\n\tif (x < 10) { return \"ok\" }  "

  private static func tokenizer(_ source: ModelSource, _ report: inout VerificationReport) {
    guard source.tokenizer != nil || source.tokenizerProblem != nil else {
      return report.add("tokenizer", nil, "none in the file; run needs --tokenizer")
    }
    do throws(LMToolError) {
      let tokenizer = try source.makeTokenizer()
      let ids = tokenizer.encode(sample, addSpecial: false)
      let text = String(decoding: tokenizer.decode(ids), as: UTF8.self)
      let again = tokenizer.encode(text, addSpecial: false)
      let fits = tokenizer.definition.vocabularySize <= source.spec.vocabularySize
      let problem =
        text != sample && again != ids
        ? "text does not survive the round trip" : fits ? nil : "it has more tokens than the embedding has rows"
      report.add("tokenizer", problem, "\(tokenizer.definition.vocabularySize) tokens, round trip of \(sample.utf8.count) bytes")
    } catch { report.add("tokenizer", error.description, "") }
  }

  /// Tokens of the longest transcript that is repeated: checking a hostile file must not cost more than a sound one.
  private static let longestTranscript = 4096

  private static func transcript(
    _ artifact: Artifact, _ source: ModelSource, _ report: inout VerificationReport
  ) throws(LMToolError) {
    guard let recorded = artifact.manifest.transcript else {
      return report.add("greedy transcript", nil, "none recorded")
    }
    let prompt = recorded.prompt.compactMap { (0..<source.spec.vocabularySize).contains($0) ? Int32(exactly: $0) : nil }
    guard !prompt.isEmpty, prompt.count == recorded.prompt.count else {
      return report.add("greedy transcript", "its prompt is empty or names tokens that the model does not have", "")
    }
    guard prompt.count + recorded.generated.count <= longestTranscript else {
      return report.add("greedy transcript", "it has more than \(longestTranscript) tokens", "")
    }
    let generated = try Transcripts.greedy(try Transformer(source), prompt: prompt, count: recorded.generated.count).map(Int.init)
    let same = zip(generated, recorded.generated).prefix { $0 == $1 }.count
    let problem = generated == recorded.generated ? nil : "token \(same) of \(recorded.generated.count) differs from the record"
    report.add("greedy transcript", problem, "\(generated.count) tokens reproduced")
  }

  // MARK: Quality

  private static func certificate(
    _ artifact: Artifact, _ source: ModelSource, _ demands: QualityDemands?, _ report: inout VerificationReport
  ) {
    do throws(LMToolError) {
      let checking = try CertificateChecking(artifact)
      guard let certificate = checking.certificate else {
        let demanded = demands?.minimumGrade != nil || demands?.original != nil
        let problem = demanded ? "the file has none, so its quality cannot be told" : nil
        return report.add("certificate", problem, "none in the file: its bytes are checked, its quality is not")
      }
      let quality = QualityReport(certificate.head, bytes: checking.bytes)
      report.quality = quality
      let told = "fidelity \(quality.fidelity.rawValue), \(quality.coherence.holds ? "coherent" : "not coherent")"
      guard let demands else { return report.add("certificate", nil, "\(told), as recorded in \(checking.bytes) bytes") }
      let contradictions = try checking.contradictions(source, certificate)
      report.add("certificate", list(contradictions), "every figure reproduced from a record of \(checking.bytes) bytes")
      if let original = demands.original {
        let against = try checking.contradictions(source, against: original, certificate)
        report.add("against the original", list(against), "the record is what the original says")
      }
      report.add("coherence", list(quality.coherence.reasons), "it makes sense where the original does")
      let grade = "fidelity \(quality.fidelity.rawValue)"
      let isMet = demands.minimumGrade.map { quality.fidelity <= $0 } ?? true
      report.add("fidelity", isMet ? nil : "\(grade), worse than \(demands.minimumGrade?.rawValue ?? "")", grade)
    } catch { report.add("certificate", error.description, "") }
  }

  /// Reasons as one; nil where there are none.
  private static func list(_ reasons: [String]) -> String? { reasons.isEmpty ? nil : reasons.joined(separator: "; ") }
}
