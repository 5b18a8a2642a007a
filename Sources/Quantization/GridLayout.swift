import Tensors

/// The sizes of a quantized matrix, checked: how many rows, groups and bytes a shape and a scheme make.
public struct GridLayout: Sendable, Equatable {
  /// The scheme.
  public let scheme: GridScheme
  /// Outputs.
  public let rows: Int
  /// Inputs.
  public let columns: Int

  /// The most weights of one matrix (rule Q-1).
  public static let maximumCount = 1 << 40

  /// Lays out a matrix of `shape` [rows, columns].
  ///
  /// - Throws: `badInput` by rule Q-1.
  public init(shape: [Int], scheme: GridScheme) throws(LMToolError) {
    guard shape.count == 2, shape.allSatisfy({ $0 >= 1 }) else {
      throw LMToolError(.badInput, "only matrices can be quantized, not a tensor of shape \(shape)", rule: "Q-1")
    }
    guard let count = elementCount(shape), count <= Self.maximumCount else {
      throw LMToolError(.badInput, "the shape \(shape) has more than 2^40 elements", rule: "Q-1")
    }
    rows = shape[0]
    columns = shape[1]
    self.scheme = scheme
  }

  /// Inputs per scale, the last group of a row excepted.
  public var group: Int { scheme.group ?? columns }
  /// Scales of a row (rule Q-2).
  public var groupsPerRow: Int { (columns + group - 1) / group }
  /// Bytes of the codes of a row (rules ).
  public var bytesPerRow: Int { scheme.bits == 4 ? (columns + 1) / 2 : columns }
  /// Bytes of all codes.
  public var codeBytes: Int { rows * bytesPerRow }
  /// Scales in all, and minimums where the scheme has them.
  public var scaleCount: Int { rows * groupsPerRow }
  /// Minimums in all.
  public var minimumCount: Int { scheme.hasMinimum ? scaleCount : 0 }
  /// Bytes of codes, scales and minimums.
  public var bytes: Int { codeBytes + 2 * (scaleCount + minimumCount) }
}
