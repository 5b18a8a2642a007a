import CKernels

/// Rows of floats that matrices are multiplied with, and their codes of 8 bits with a scale for each 32 (`coded.h`), for the
/// matrices that compute with codes. The buffers are allocated once and hold rows of any width up to the widest.
public final class Activations {
  /// [rows][inputs], for whatever `inputs` is at the moment.
  public let floats: UnsafeMutablePointer<Float>
  /// One for each coding.
  private let codings: [Coding]

  /// Space for `rows` rows of up to `width` elements.
  ///
  /// - Parameter codings: in how many ways the rows are coded at the same time, for matrices whose columns have different steps.
  public init(rows: Int, width: Int, codings: Int = 1) {
    floats = .allocate(capacity: max(1, rows * width))
    self.codings = (0..<codings).map { _ in Coding(rows: rows, width: width) }
  }

  deinit {
    floats.deallocate()
    for coding in codings { coding.deallocate() }
  }

  /// The codes of rows of `inputs` elements, from `first` on.
  func coded(_ inputs: Int, coding: Int, peaks hasPeaks: Bool, first: Int = 0) -> lmk_activations {
    let groups = lmk_coded_groups(inputs), start = first * groups, own = codings[coding]
    return lmk_activations(
      groups: groups, codes: own.codes + 32 * start, scales: own.scales + start, sums: own.sums + start,
      peaks: hasPeaks ? own.peaks + start : nil, peak_quads: hasPeaks ? own.peakQuads + start : nil, inputs: inputs,
      floats: own.floats + first * inputs)
  }

  /// Codes the floats of some rows of `inputs` elements. Rows may be coded in parallel.
  ///
  /// - Parameters:
  ///   - coding: which of the codings to make.
  ///   - steps: what the elements of a row are multiplied with before; nil for nothing.
  ///   - peaks: whether the largest element of each 32 is kept in 15 bits, which makes those beside it more exact.
  public func code(_ rows: Range<Int>, inputs: Int, coding: Int = 0, steps: [Float]? = nil, peaks: Bool = false) {
    let scaled = codings[coding].floats
    if let steps {
      for row in rows { lmk_multiply(floats + row * inputs, steps, inputs, scaled + row * inputs) }
    }
    withUnsafePointer(to: coded(inputs, coding: coding, peaks: peaks)) {
      lmk_code_activations(steps == nil ? floats : scaled, inputs, rows.lowerBound, rows.upperBound, $0)
    }
  }

  /// One way in which the rows are coded.
  private struct Coding {
    /// [rows][inputs], multiplied with the column steps; not in use without any.
    let floats: UnsafeMutablePointer<Float>
    let codes: UnsafeMutablePointer<Int8>
    let scales: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Int32>
    let peaks: UnsafeMutablePointer<Int32>
    let peakQuads: UnsafeMutablePointer<UInt8>

    init(rows: Int, width: Int) {
      let groups = rows * lmk_coded_groups(width)
      floats = .allocate(capacity: max(1, rows * width))
      codes = .allocate(capacity: max(1, groups * 32))
      scales = .allocate(capacity: max(1, groups))
      sums = .allocate(capacity: max(1, groups))
      peaks = .allocate(capacity: max(1, groups))
      peakQuads = .allocate(capacity: max(1, groups))
    }

    func deallocate() {
      floats.deallocate()
      codes.deallocate()
      scales.deallocate()
      sums.deallocate()
      peaks.deallocate()
      peakQuads.deallocate()
    }
  }
}
