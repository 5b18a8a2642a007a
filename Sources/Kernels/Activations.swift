import CKernels

/// Rows of floats that matrices are multiplied with, and their codes of 8 bits with a scale for each 32 (`coded.h`), for the
/// matrices that compute with codes. The buffers are allocated once and hold rows of any width up to the widest.
public final class Activations {
  /// [rows][inputs], for whatever `inputs` is at the moment.
  public let floats: UnsafeMutablePointer<Float>
  private let codes: UnsafeMutablePointer<Int8>
  private let scales: UnsafeMutablePointer<Float>
  private let sums: UnsafeMutablePointer<Int32>
  private let peaks: UnsafeMutablePointer<Int32>
  private let peakQuads: UnsafeMutablePointer<UInt8>

  /// Space for `rows` rows of up to `width` elements.
  public init(rows: Int, width: Int) {
    let groups = rows * lmk_coded_groups(width)
    floats = .allocate(capacity: max(1, rows * width))
    codes = .allocate(capacity: max(1, groups * 32))
    scales = .allocate(capacity: max(1, groups))
    sums = .allocate(capacity: max(1, groups))
    peaks = .allocate(capacity: max(1, groups))
    peakQuads = .allocate(capacity: max(1, groups))
  }

  deinit {
    floats.deallocate()
    codes.deallocate()
    scales.deallocate()
    sums.deallocate()
    peaks.deallocate()
    peakQuads.deallocate()
  }

  /// The codes of rows of `inputs` elements, from `first` on.
  func coded(_ inputs: Int, peaks hasPeaks: Bool, first: Int = 0) -> lmk_activations {
    let groups = lmk_coded_groups(inputs), start = first * groups
    return lmk_activations(
      groups: groups, codes: codes + 32 * start, scales: scales + start, sums: sums + start,
      peaks: hasPeaks ? peaks + start : nil, peak_quads: hasPeaks ? peakQuads + start : nil)
  }

  /// Codes the floats of some rows of `inputs` elements. Rows may be coded in parallel.
  ///
  /// - Parameter peaks: whether the largest element of each 32 is kept in 15 bits, which makes those beside it more exact.
  public func code(_ rows: Range<Int>, inputs: Int, peaks: Bool = false) {
    withUnsafePointer(to: coded(inputs, peaks: peaks)) {
      lmk_code_activations(floats, inputs, rows.lowerBound, rows.upperBound, $0)
    }
  }
}
