import Artifacts
import Checkpoints
import Inference
import Models
import Tensors
import Tokenizers

/// Checks a model from its file alone.
public enum Verifying {
  /// Checks the model at `path`. Of an artifact: hashes, lengths, values, tokenizer, budget, signatures and transcript, and its quality
  /// where that is asked for. Of any other checkpoint what can be told of it.
  ///
  /// - Parameters:
  ///   - quality: what is asked of the quality; nil leaves it at the bytes.
  ///   - key: who must have signed the file; nil where nobody must.
  /// - Throws: `missingInput` when there is no such file; what is wrong inside a file is in the report.
  public static func run(
    _ path: String, budget: Int? = nil, quality: QualityDemands? = nil, key: SigningKey.Public? = nil,
    progress: ProgressConsumer? = nil
  ) throws(LMToolError) -> VerificationReport {
    if isForeign(path) { return try ForeignVerifying.run(path, budget: budget, quality: quality, key: key, progress: progress) }
    var report = VerificationReport(bytes: try MappedFile(path: path).count)
    report.addBudget(budget)
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
    report.addSignatures(artifact.manifest, key)
    do throws(LMToolError) {
      let source = try ModelSource.open(artifact: artifact, path: path)
      report.bitsPerWeight = Double(8 * report.bytes) / Double(max(1, source.parameterCount))
      report.add("architecture", nil, "every tensor that the configuration asks for, in its shape")
      report.addTokenizer(of: source)
      guard findings.isEmpty else { return report }
      let model = try Transformer(source)
      try transcript(artifact, source, model, &report)
      QualityChecking(source, model, quality).run(artifact, &report)
    } catch { report.add("architecture", error.description, "") }
    return report
  }

  /// Whether a path is a checkpoint that is no artifact; what is not known counts as a damaged artifact.
  private static func isForeign(_ path: String) -> Bool {
    guard let kind = try? recognize(path: path) else { return false }
    return kind != .lmz
  }

  /// The finding that names a tensor, where there is one: it says most.
  private static func summary(_ findings: [LMToolError]) -> String {
    let named = findings.first { if case .tensor = $0.place { true } else { false } } ?? findings[0]
    return findings.count == 1 ? named.description : "\(named.description) (and \(findings.count - 1) more)"
  }

  /// Tokens of the longest transcript that is repeated: checking a hostile file must not cost more than a sound one.
  private static let longestTranscript = 4096

  private static func transcript(
    _ artifact: Artifact, _ source: ModelSource, _ model: Transformer, _ report: inout VerificationReport
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
    let generated = try Transcripts.greedy(model, prompt: prompt, count: recorded.generated.count).map(Int.init)
    let same = zip(generated, recorded.generated).prefix { $0 == $1 }.count
    let problem = generated == recorded.generated ? nil : "token \(same) of \(recorded.generated.count) differs from the record"
    report.add("greedy transcript", problem, "\(generated.count) tokens reproduced")
  }
}

extension VerificationReport {
  /// Text with every kind of character must come back from its ids as it went in, or as the vocabulary spells it.
  private static let sample = "The quick brown fox — 12,345.67 naïve façades; 東京 🙂\n\tif (x < 10) { return \"ok\" }  "

  /// Checks that text survives the tokenizer of a model.
  mutating func addTokenizer(of source: ModelSource) {
    guard source.tokenizer != nil || source.tokenizerProblem != nil else {
      return add("tokenizer", nil, "none in the file; run needs --tokenizer")
    }
    do throws(LMToolError) {
      let tokenizer = try source.makeTokenizer(), sample = Self.sample
      let ids = tokenizer.encode(sample, addSpecial: false)
      let text = String(decoding: tokenizer.decode(ids), as: UTF8.self)
      let again = tokenizer.encode(text, addSpecial: false)
      let fits = tokenizer.definition.vocabularySize <= source.spec.vocabularySize
      let problem =
        text != sample && again != ids
        ? "text does not survive the round trip" : fits ? nil : "it has more tokens than the embedding has rows"
      add("tokenizer", problem, "\(tokenizer.definition.vocabularySize) tokens, round trip of \(sample.utf8.count) bytes")
    } catch { add("tokenizer", error.description, "") }
  }
}
