import Artifacts
import Inference
import Models
import OrderedCollections
import Tensors

/// Checks a checkpoint that is no artifact, and so has neither hashes nor a certificate: its structure, its numbers, and what it says.
enum ForeignVerifying {
  static func run(
    _ path: String, budget: Int?, quality: QualityDemands?, key: SigningKey.Public?, progress: ProgressConsumer?
  ) throws(LMToolError) -> VerificationReport {
    var report = VerificationReport(bytes: 0)
    let source: ModelSource
    do throws(LMToolError) {
      source = try ModelSource.open(path)
    } catch {
      if error.code == .missingInput { throw error }
      report.add("architecture", error.description, "")
      return report
    }
    report.bytes = source.files.reduce(0) { $0 + $1.count }
    report.bitsPerWeight = Double(8 * report.bytes) / Double(max(1, source.parameterCount))
    report.addBudget(budget)
    let unused = source.unused.isEmpty ? "" : ", \(source.unused.count) that it does not use"
    report.add("architecture", nil, "\(source.format): every tensor that the configuration asks for, in its shape\(unused)")
    if key != nil { report.add("signature", "only .lmz files are signed", "") }
    do throws(LMToolError) {
      try values(source, progress)
      report.add("values", nil, "\(source.tensors.count) tensors, every element finite; the format has no hashes")
      report.addTokenizer(of: source)
      guard quality != nil else { return report }
      QualityChecking(source, try Transformer(source), quality).withoutRecord(&report)
    } catch { report.add("values", error.description, "") }
    return report
  }

  /// Reads every element once.
  private static func values(_ source: ModelSource, _ progress: ProgressConsumer?) throws(LMToolError) {
    for (index, tensor) in source.tensors.values.enumerated() {
      try FloatPieces.read(tensor, as: .f32, of: source.path, remedy: "") { _ throws(LMToolError) in }
      progress?(ProgressUpdate(stage: "verify", done: index + 1, total: source.tensors.count, unit: .tensors))
    }
  }
}
