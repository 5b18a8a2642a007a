import Inference
import Kernels
import Models

/// The logits of some tokens, with the logarithms of their sums of exponentials.
struct LogitRows {
  /// [rows, vocabulary].
  let logits: [Float]
  /// log Σ exp of each row.
  let logSums: [Double]
  private var vocabulary: Int { logits.count / max(1, logSums.count) }

  init(_ logits: [Float], rows: Int) {
    self.logits = logits
    let vocabulary = logits.count / max(1, rows)
    logSums = logits.withUnsafeBufferPointer { logits in
      [Double](unsafeUninitializedCapacity: rows) { sums, count in
        nonisolated(unsafe) let sums = sums, logits = logits
        ThreadPool.shared.forEach(rows) { sums[$0] = logSumExp(logits.baseAddress! + $0 * vocabulary, count: vocabulary) }
        count = rows
      }
    }
  }

  /// Σ over the rows of KL(these ‖ others), in nats.
  func divergence(from others: LogitRows) -> Double {
    let vocabulary = self.vocabulary, rows = logSums.count
    var divergences = [Double](repeating: 0, count: rows)
    divergences.withUnsafeMutableBufferPointer { divergences in
      logits.withUnsafeBufferPointer { mine in
        others.logits.withUnsafeBufferPointer { theirs in
          nonisolated(unsafe) let divergences = divergences, mine = mine, theirs = theirs
          ThreadPool.shared.forEach(rows) { row in
            divergences[row] = max(
              0,
              Kernels.divergence(
                of: mine.baseAddress! + row * vocabulary, from: theirs.baseAddress! + row * vocabulary, count: vocabulary,
                logSums: (logSums[row], others.logSums[row])))
          }
        }
      }
    }
    return divergences.reduce(0, +)
  }

  /// Adds p (1 - p) of every row to `variances` [vocabulary].
  func addVariances(to variances: inout [Double]) {
    for (row, logSum) in logSums.enumerated() {
      let start = row * vocabulary
      for token in variances.indices {
        let p = Double(exponential(logits[start + token] - Float(logSum)))
        variances[token] += p * (1 - p)
      }
    }
  }
}

/// Turns residual streams into logits: final norm, then head.
struct LogitsOfResiduals {
  private let spec: ModelSpec
  private let head: HeadRunner

  init(_ spec: ModelSpec, head: HeadRunner) {
    self.spec = spec
    self.head = head
  }

  /// The logits of `rows` of residual [tokens, width].
  func compute(_ residual: [Float], rows: Range<Int>) -> LogitRows {
    let width = spec.width, vocabulary = spec.vocabularySize, count = rows.count
    let logits = [Float](unsafeUninitializedCapacity: count * vocabulary) { logits, initialized in
      residual.withUnsafeBufferPointer {
        head.logits($0.baseAddress! + rows.lowerBound * width, tokens: count, into: logits.baseAddress!)
      }
      initialized = count * vocabulary
    }
    return LogitRows(logits, rows: count)
  }
}
