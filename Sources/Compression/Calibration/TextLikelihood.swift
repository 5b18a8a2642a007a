import Inference
import Kernels
import Models
import Tensors
import Tokenizers

/// How likely a model finds a calibration text, to warn of text that it was never trained on.
struct TextLikelihood {
  private let source: ModelSource
  private let logits: LogitsOfResiduals

  /// Bits per byte above which text is foreign: models need 0.5 to 1.3 for the languages that they know, SmolLM2-135M 1.8 for Russian, 2.2
  /// for Chinese and 3.4 for Finnish, which it hardly saw.
  private static let foreign = 1.7
  /// Windows of each source that are looked at, and tokens of each.
  private static let windows = 4, tokens = 128

  init(_ source: ModelSource, embedding: [Float]) throws(LMToolError) {
    self.source = source
    logits = LogitsOfResiduals(source.spec, head: try HeadRunner(source, embedding: embedding))
  }

  /// A warning for each source of `text` that the model finds very unlikely; `path` has passed all layers.
  func warnings(for text: CalibrationText, after path: ResidualPath) throws(LMToolError) -> [String] {
    guard source.tokenizer != nil else { return [] }
    let tokenizer = try source.makeTokenizer()
    return text.sources.compactMap { part in
      let bits = bitsPerByte(of: part, text.windows, path, tokenizer)
      guard bits > Self.foreign else { return nil }
      let tenths = Int((bits * 10).rounded())
      return "\(part.name.printable): the model finds this text very unlikely, \(tenths / 10).\(tenths % 10) bits per byte; "
        + "calibrate on text of the kind that it knows"
    }
  }

  private func bitsPerByte(
    of part: CalibrationText.Source, _ windows: TokenWindows, _ path: ResidualPath, _ tokenizer: Tokenizer
  ) -> Double {
    let width = source.spec.width, taken = min(Self.windows, part.indices.count), rows = min(Self.tokens, windows.length)
    var loss = 0.0, bytes = 0
    for index in 0..<taken {
      let start = part.indices[index * part.indices.count / taken] * windows.length
      let residual = Array(UnsafeBufferPointer(start: path.residual + start * width, count: rows * width))
      let targets = windows.tokens[start..<start + rows].dropFirst().map(Int.init)
      let computed = logits.compute(residual, rows: 0..<rows)
      for (row, target) in targets.enumerated() {
        loss += computed.logSums[row] - Double(computed.logits[row * source.spec.vocabularySize + target])
        bytes += tokenizer.bytes(of: Int32(target)).count
      }
    }
    return loss / 0.693147180559945309 / Double(max(1, bytes))
  }
}
