import CKernels

/// Rows of floats to integer codes on a uniform grid and back; `formats/quantized.md` says what the bytes mean.
public struct GridKernel: Sendable {
  private let grid: lmk_grid

  /// How the quantization of a row ended.
  public enum Outcome: Equatable, Sendable {
    /// Every group is done.
    case done
    /// The weight in this column is NaN or infinite.
    case notFinite(column: Int)
    /// The group that starts at this column needs a scale or a minimum beyond the f16 range.
    case tooLarge(column: Int)
  }

  /// A kernel for rows of `columns` inputs in groups of `group`, with codes of 4 or 8 bits.
  public init(columns: Int, group: Int, bits: Int, hasMinimum: Bool) {
    grid = lmk_grid(columns: columns, group: group, bits: Int32(bits), minimum: hasMinimum ? 1 : 0)
  }

  /// Quantizes one row by searching, group by group, the grid with the least squared error.
  ///
  /// - Parameters:
  ///   - codes: gets (columns * bits + 7) / 8 bytes.
  ///   - scales: gets one f16 per group; so does `minimums` where the grid has them.
  ///   - work: `columns` bytes of scratch space.
  public func quantize(
    _ row: UnsafePointer<Float>, codes: UnsafeMutablePointer<UInt8>, scales: UnsafeMutablePointer<UInt16>,
    minimums: UnsafeMutablePointer<UInt16>?, work: UnsafeMutablePointer<UInt8>
  ) -> Outcome {
    var column = 0
    let outcome = withUnsafePointer(to: grid) { lmk_grid_quantize_row($0, row, codes, scales, minimums, work, &column) }
    return switch outcome {
    case LMK_GRID_NOT_FINITE: .notFinite(column: column)
    case LMK_GRID_TOO_LARGE: .tooLarge(column: column)
    default: .done
    }
  }

  /// Turns one row of codes back into `columns` floats.
  public func dequantize(
    codes: UnsafePointer<UInt8>, scales: UnsafePointer<UInt16>, minimums: UnsafePointer<UInt16>?,
    into row: UnsafeMutablePointer<Float>
  ) {
    withUnsafePointer(to: grid) { lmk_grid_dequantize_row($0, codes, scales, minimums, row) }
  }
}
