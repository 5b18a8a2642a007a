import CKernels

/// A weight matrix [outputs, inputs] in compute layout: blocks of 32 outputs, input by input. See `product.h`.
public final class WeightMatrix: Sendable {
  /// How the elements are held.
  public enum Format: UInt32, Sendable {
    case f32 = 0
    case f16 = 1
    case bf16 = 2
    /// Signed bytes with scales.
    case int8 = 3
    /// Unsigned bytes with scales and minimums.
    case uint8 = 4
    /// Two codes to the byte, for -8...7, with scales.
    case int4 = 5
    /// Two codes to the byte, for 0...15, with scales and minimums.
    case uint4 = 6

    var c: lmk_format { lmk_format(rawValue) }
    /// Whether elements are codes that need scales.
    public var isQuantized: Bool { rawValue >= 3 }
    /// Whether every group has a minimum.
    public var hasMinimum: Bool { self == .uint8 || self == .uint4 }

    /// Bytes of `count` consecutive elements of a row-major source row.
    public func rowBytes(_ count: Int) -> Int {
      switch self {
      case .f32: 4 * count
      case .f16, .bf16: 2 * count
      case .int8, .uint8: count
      case .int4, .uint4: (count + 1) / 2
      }
    }
  }

  /// Rows of the matrix.
  public let outputs: Int
  /// Columns of the matrix.
  public let inputs: Int
  /// How the elements are held.
  public let format: Format
  /// Blocks of 32 outputs.
  public var blocks: Int { (outputs + 31) / 32 }
  private let group: Int
  private let groups: Int
  private let blockBytes: Int
  private nonisolated(unsafe) let values: UnsafeMutableRawPointer
  private nonisolated(unsafe) let scales: UnsafeMutablePointer<UInt16>?
  private nonisolated(unsafe) let minimums: UnsafeMutablePointer<UInt16>?

  /// An empty matrix; every block must be packed before use.
  ///
  /// - Parameter group: inputs per scale; `inputs` for one scale per row; ignored for float formats. Even for 4 bits, or a whole row.
  public init(outputs: Int, inputs: Int, format: Format, group: Int = 0) {
    self.outputs = outputs
    self.inputs = inputs
    self.format = format
    self.group = format.isQuantized ? group : 0
    groups = format.isQuantized ? lmk_groups(inputs, group) : 0
    blockBytes = lmk_block_bytes(format.c, inputs)
    let blocks = (outputs + 31) / 32
    values = .allocate(byteCount: max(64, blocks * blockBytes), alignment: 64)
    scales = format.isQuantized ? .allocate(capacity: blocks * groups * 32) : nil
    minimums = format.hasMinimum ? .allocate(capacity: blocks * groups * 32) : nil
  }

  deinit {
    values.deallocate()
    scales?.deallocate()
    minimums?.deallocate()
  }

  /// Bytes of memory that the weights occupy.
  public var bytes: Int { blocks * (blockBytes + groups * 64 * (format.hasMinimum ? 2 : 1)) }

  /// The rows of a block, at most 32.
  public func rows(of block: Int) -> Range<Int> { block * 32..<min(outputs, block * 32 + 32) }

  /// Lays out the rows of `block` from a row-major source. Blocks may be packed in parallel.
  ///
  /// - Parameters:
  ///   - rows: the block's rows, `format.rowBytes(inputs)` bytes each.
  ///   - scales: [rows][groups] f16, for quantized formats; `minimums` likewise.
  public func pack(
    block: Int, rows: UnsafeRawPointer, scales rowScales: UnsafePointer<UInt16>? = nil,
    minimums rowMinimums: UnsafePointer<UInt16>? = nil
  ) {
    let count = self.rows(of: block).count
    lmk_pack_block(format.c, rows, count, inputs, values + block * blockBytes)
    if let scales, let rowScales { lmk_pack_scales(rowScales, count, groups, scales + block * groups * 32) }
    if let minimums, let rowMinimums { lmk_pack_scales(rowMinimums, count, groups, minimums + block * groups * 32) }
  }

  private var c: lmk_matrix {
    lmk_matrix(
      format: format.c, outputs: outputs, inputs: inputs, group: group, values: values, scales: scales, minimums: minimums)
  }

  /// Reads a row as floats, for embedding look-ups. `output` holds `inputs` elements.
  public func row(_ index: Int, into output: UnsafeMutablePointer<Float>) {
    var matrix = c
    lmk_row(&matrix, index, output)
  }

  /// y[t][o] = sum over k of w[o][k] x[t][k], in parallel over blocks.
  ///
  /// - Parameters:
  ///   - x: [tokens][inputs].
  ///   - y: [tokens][outputs], overwritten.
  public func multiply(_ x: UnsafePointer<Float>, tokens: Int, into y: UnsafeMutablePointer<Float>) {
    guard tokens > 0 else { return }
    let matrix = c
    let sums = minimums == nil ? nil : UnsafeMutablePointer<Float>.allocate(capacity: tokens * groups)
    defer { sums?.deallocate() }
    if let sums { lmk_group_sums(x, tokens, inputs, group, sums) }
    let pool = ThreadPool.shared
    let work = tokens * inputs * outputs
    guard pool.threads > 1, work > 50_000 else {
      withUnsafePointer(to: matrix) { lmk_product($0, 0, blocks, x, tokens, sums, y) }
      return
    }
    let fair = blocks / (4 * pool.threads)
    let piece = fair >= 8 ? 8 : fair >= 4 ? 4 : max(1, min(2, fair))  // the kernels like four blocks at a time
    pool.forEach((blocks + piece - 1) / piece) { index in
      withUnsafePointer(to: matrix) {
        lmk_product($0, index * piece, min(blocks, (index + 1) * piece), x, tokens, sums, y)
      }
    }
  }
}
