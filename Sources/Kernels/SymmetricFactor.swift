import CKernels

/// The factorization of a second moment S [size, size] that quantization with feedback works with: S = V V^T, V upper triangular.
///
/// An error e of a row of weights costs e S e^T = Σ_c (V_cc (e_c + Σ_{j<c} e_j V_jc / V_cc))²: the errors of earlier columns can be made
/// up for by later ones (the LDLQ form of Chee et al., "QuIP", 2023). V_cc is the deviation of input c that the later inputs do not explain.
public final class SymmetricFactor: Sendable {
  /// Rows and columns.
  public let size: Int
  /// U [size, size] with S' = U^T U for S' = S with rows and columns in reverse, so V_jc = U[r(c)][r(j)] with r(i) = size - 1 - i.
  private nonisolated(unsafe) let u: UnsafeMutablePointer<Double>

  /// Factors `moment` [size, size], a symmetric matrix, plus `damping` on its diagonal. Nil when that is not positive definite.
  public init?(_ moment: UnsafePointer<Float>, size: Int, damping: Double) {
    self.size = size
    u = .allocate(capacity: max(1, size * size))
    for i in 0..<size {
      for j in 0..<size { u[i * size + j] = Double(moment[(size - 1 - i) * size + size - 1 - j]) }
      u[i * size + i] += damping
    }
    guard factor() else { return nil }
  }

  deinit { u.deallocate() }

  private func factor() -> Bool {
    let size = self.size, panel = LMK_FACTOR_PANEL
    for first in stride(from: 0, to: size, by: panel) {
      let last = min(first + panel, size)
      guard lmk_factor_panel(u, size, first, last, 0) != 0 else { return false }
      let rest = size - last, piece = 8
      ThreadPool.shared.forEach((rest + piece - 1) / piece) { index in
        let row = last + index * piece
        lmk_factor_update(u, size, first, last, row, min(row + piece, size))
      }
    }
    return true
  }

  /// V_cc for each input c: its deviation, given the inputs after it.
  public var deviations: [Double] { (0..<size).map { u[(size - 1 - $0) * (size + 1)] } }

  /// [size, size]: row c holds, for j < c, V_jc / V_cc, which is what the target of column c gains for an error of 1 in column j.
  public func feedback() -> [Float] {
    let size = self.size
    return [Float](unsafeUninitializedCapacity: size * size) { factors, count in
      nonisolated(unsafe) let factors = factors
      ThreadPool.shared.forEach(size) { column in
        let row = u + (size - 1 - column) * size
        let pivot = row[size - 1 - column]
        for j in 0..<size { factors[column * size + j] = j < column ? Float(row[size - 1 - j] / pivot) : 0 }
      }
      count = size * size
    }
  }

  /// Solves X S = B for `rows` rows of `size` elements, in place.
  public func solve(_ rows: UnsafeMutablePointer<Float>, count: Int) {
    let size = self.size, lanes = LMK_SOLVE_LANES
    nonisolated(unsafe) let rows = rows
    ThreadPool.shared.forEach((count + lanes - 1) / lanes) { group in
      let first = group * lanes, held = min(lanes, count - first)
      let lane = UnsafeMutablePointer<Double>.allocate(capacity: size * lanes)
      defer { lane.deallocate() }
      lane.initialize(repeating: 0, count: size * lanes)
      for row in 0..<held {
        for j in 0..<size { lane[(size - 1 - j) * lanes + row] = Double(rows[(first + row) * size + j]) }
      }
      lmk_factor_solve(u, size, lane)
      for row in 0..<held {
        for j in 0..<size { rows[(first + row) * size + j] = Float(lane[(size - 1 - j) * lanes + row]) }
      }
    }
  }
}
