import CKernels
import Synchronization

/// A product of dense matrices, C[rows, columns] = A[rows, depth] * B[depth, columns], as training and calibration need it.
///
/// Every element is one chain of fused multiply-adds over k, so threads and instruction sets do not change a bit; `gemm.h`
/// says which arithmetic that is.
public struct MatrixProduct: Sendable {
  /// How the elements are multiplied and added.
  public enum Arithmetic: UInt32, Sendable {
    /// In f32.
    case f32 = 0
    /// Elements rounded to bf16, sums in f32: twice as fast where the processor has instructions for it.
    case bf16 = 1
  }

  /// A matrix as stored, row after row. What it points to must outlive the call.
  public struct Operand {
    var c: lmk_gemm_operand

    /// f32 elements; `stride` from one stored row to the next. With `transposed` the product uses the transpose.
    public init(_ values: UnsafePointer<Float>, stride: Int, transposed: Bool = false) {
      c = lmk_gemm_operand(values: values, stride: stride, format: LMK_F32, transposed: transposed ? 1 : 0)
    }

    /// bf16 elements, likewise.
    public init(bf16 values: UnsafePointer<UInt16>, stride: Int, transposed: Bool = false) {
      c = lmk_gemm_operand(values: values, stride: stride, format: LMK_BF16, transposed: transposed ? 1 : 0)
    }
  }

  /// Rows of A and C.
  public let rows: Int
  /// Columns of B and C.
  public let columns: Int
  /// Columns of A, rows of B.
  public let depth: Int
  /// How the elements are multiplied and added.
  public let arithmetic: Arithmetic

  /// A product of these sizes, each at least 0.
  public init(rows: Int, columns: Int, depth: Int, arithmetic: Arithmetic = .f32) {
    precondition(rows >= 0 && columns >= 0 && depth >= 0, "a matrix cannot have a negative size")
    self.rows = rows
    self.columns = columns
    self.depth = depth
    self.arithmetic = arithmetic
  }

  /// C = A B, or C += A B with `accumulate`. C has rows of `stride` floats and overlaps neither A nor B.
  public func callAsFunction(
    _ a: Operand, _ b: Operand, into c: UnsafeMutablePointer<Float>, stride: Int, accumulate: Bool = false
  ) {
    var product = product(a, b, into: c, stride: stride, accumulate: accumulate)
    run(&product)
  }

  /// H += X^T X, for a symmetric H[size, size] and X[tokens, size]: the sums of squares that calibration collects. Half of
  /// the products of C += A B.
  public static func addGram(
    of x: UnsafePointer<Float>, tokens: Int, size: Int, to h: UnsafeMutablePointer<Float>, arithmetic: Arithmetic = .f32
  ) {
    let half = MatrixProduct(rows: size, columns: size, depth: tokens, arithmetic: arithmetic)
    var product = half.product(
      Operand(x, stride: size, transposed: true), Operand(x, stride: size), into: h, stride: size, accumulate: true)
    product.upper = 1
    half.run(&product)
    let blocks = (size + 63) / 64
    ThreadPool.shared.forEach(blocks) { lmk_gemm_mirror(&product, $0 * 64, min(size, $0 * 64 + 64)) }
  }

  private func product(
    _ a: Operand, _ b: Operand, into c: UnsafeMutablePointer<Float>, stride: Int, accumulate: Bool
  ) -> lmk_gemm {
    lmk_gemm(
      arithmetic: lmk_gemm_arithmetic(arithmetic.rawValue), rows: rows, columns: columns, depth: depth, a: a.c, b: b.c, c: c,
      c_stride: stride, accumulate: accumulate ? 1 : 0, isa: lmk_isa_in_use(), upper: 0)
  }

  /// Slab by slab, so that the caches hold what is packed. Without depth there is one empty slab, which writes zeros.
  private func run(_ product: inout lmk_gemm) {
    let width = LMK_GEMM_SLAB_COLUMNS
    let deep = lmk_gemm_slab_depth(product.arithmetic)
    let packed = PackingBuffer.columns.take()
    defer { PackingBuffer.columns.giveBack(packed) }
    for column in stride(from: 0, to: columns, by: width) {
      for k in stride(from: 0, to: max(1, depth), by: deep) {
        let slab = lmk_gemm_slab(
          first_column: column, last_column: min(columns, column + width), first_depth: k, last_depth: min(depth, k + deep))
        run(&product, slab, packed)
      }
    }
  }

  private func run(_ product: inout lmk_gemm, _ slab: lmk_gemm_slab, _ packed: UnsafeMutablePointer<Float>) {
    let pool = ThreadPool.shared
    let slabColumns = slab.first_column..<slab.last_column
    let tasks = Tasks(rows: rows, columns: slabColumns.count, threads: pool.threads)
    withUnsafePointer(to: product) { product in
      withUnsafePointer(to: slab) { slab in
        let piece = 4 * LMK_GEMM_PANEL
        pool.forEach((slabColumns.count + piece - 1) / piece) { index in
          let first = slabColumns.lowerBound + index * piece
          lmk_gemm_pack(product, slab, first, min(slabColumns.upperBound, first + piece), packed)
        }
        pool.forEach(tasks.count) { index in
          let scratch = PackingBuffer.rows.take()
          defer { PackingBuffer.rows.giveBack(scratch) }
          let (rows, columns) = tasks[index]
          let first = slabColumns.lowerBound + columns.lowerBound
          lmk_gemm_block(
            product, slab, rows.lowerBound, rows.upperBound, first, slabColumns.lowerBound + columns.upperBound, packed, scratch)
        }
      }
    }
  }
}

/// The blocks of C that threads compute: of as many rows as packing allows, and of fewer, then of fewer columns too, while
/// there would be too few to keep all threads busy to the end.
private struct Tasks {
  private let rows: Int
  private let columns: Int
  private let blockRows: Int
  private let blockColumns: Int
  private let across: Int
  let count: Int

  init(rows: Int, columns: Int, threads: Int) {
    let tile = 12
    let panel = LMK_GEMM_PANEL
    let wanted = threads == 1 ? 1 : 4 * threads
    let share = ((rows + wanted - 1) / wanted + tile - 1) / tile * tile
    self.rows = rows
    self.columns = columns
    blockRows = min(LMK_GEMM_BLOCK_ROWS, max(4 * tile, share))
    let down = (rows + blockRows - 1) / blockRows
    let pieces = max(1, (wanted + down - 1) / max(1, down))
    blockColumns = max(8 * panel, (columns / pieces + panel - 1) / panel * panel)
    across = (columns + blockColumns - 1) / blockColumns
    count = down * across
  }

  subscript(index: Int) -> (rows: Range<Int>, columns: Range<Int>) {
    let row = index / across * blockRows
    let column = index % across * blockColumns
    return (row..<min(rows, row + blockRows), column..<min(columns, column + blockColumns))
  }
}

/// Memory for packed panels, allocated once for as many as are in use at a time, and kept.
private final class PackingBuffer: Sendable {
  static let columns = PackingBuffer(capacity: LMK_GEMM_PACKED_COLUMNS)
  static let rows = PackingBuffer(capacity: LMK_GEMM_PACKED_ROWS)

  private let capacity: Int
  private let free = Mutex<[UInt]>([])

  private init(capacity: Int) { self.capacity = capacity }

  func take() -> UnsafeMutablePointer<Float> {
    if let address = free.withLock({ $0.popLast() }), let kept = UnsafeMutablePointer<Float>(bitPattern: address) { return kept }
    return UnsafeMutableRawPointer.allocate(byteCount: 4 * capacity, alignment: 64).bindMemory(to: Float.self, capacity: capacity)
  }

  func giveBack(_ buffer: UnsafeMutablePointer<Float>) {
    free.withLock { $0.append(UInt(bitPattern: buffer)) }
  }
}
