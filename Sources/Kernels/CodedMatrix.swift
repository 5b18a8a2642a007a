import CKernels

/// A matrix [outputs, inputs] of 4- or 8-bit codes in compute layout, multiplied with activations of 8 bits by integer dot
/// products. A weight is scale · (code - offset) + minimum, or row step · whole number · column step. See `coded.h`.
public final class CodedMatrix: Sendable {
  /// What the codes are.
  public enum Format: Sendable, CaseIterable {
    /// Two codes to the byte, 0...15 for -8...7.
    case int4
    /// Two codes to the byte, 0...15, with minimums.
    case uint4
    /// Signed bytes.
    case int8
    /// Unsigned bytes, with minimums.
    case uint8

    /// Bits of a code.
    public var bits: Int { self == .int4 || self == .uint4 ? 4 : 8 }
    /// Whether scales come with minimums.
    public var hasMinimum: Bool { self == .uint4 || self == .uint8 }
    /// What a code exceeds its value by, in compute layout.
    var offset: Int32 { hasMinimum ? 0 : bits == 4 ? 8 : 128 }
    /// Bytes of a row of `inputs` codes before packing.
    public func rowBytes(_ inputs: Int) -> Int { bits == 4 ? (inputs + 1) / 2 : inputs }
  }

  /// Rows of the matrix.
  public let outputs: Int
  /// Columns of the matrix.
  public let inputs: Int
  /// What the codes are.
  public let format: Format
  /// The factors of the columns, which the activations are multiplied with before they are coded; nil where there are none.
  public let columnSteps: [Float]?
  private let group: Int?
  private let blockBytes: Int
  private nonisolated(unsafe) let blocks: UnsafeMutablePointer<UInt8>
  /// Of each block; nil for a matrix that is not of whole numbers.
  private nonisolated(unsafe) let outliers: UnsafeMutablePointer<lmk_coded_outliers>?

  /// An empty matrix; every block must be packed before use.
  ///
  /// - Parameter group: inputs that share a scale, a multiple of 32; nil for one scale for each row. The compute layout has
  ///   scales for rows or for groups of 32, so those of larger groups are repeated.
  public convenience init(outputs: Int, inputs: Int, format: Format, group: Int?) {
    self.init(outputs, inputs, format, group: group, columnSteps: nil, hasOutliers: false)
  }

  /// An empty matrix of whole numbers that most fit `format`, int4 or int8, with a step for each row and for each column; every
  /// block must be packed from values before use.
  public convenience init(outputs: Int, inputs: Int, format: Format, columnSteps: [Float]) {
    precondition(!format.hasMinimum && columnSteps.count == inputs, "signed codes, and a step for each column")
    self.init(outputs, inputs, format, group: nil, columnSteps: columnSteps, hasOutliers: true)
  }

  private init(_ outputs: Int, _ inputs: Int, _ format: Format, group: Int?, columnSteps: [Float]?, hasOutliers: Bool) {
    precondition(group.map { $0 > 0 && $0 % 32 == 0 } ?? true, "groups are multiples of 32 inputs")
    self.outputs = outputs
    self.inputs = inputs
    self.format = format
    self.group = group
    self.columnSteps = columnSteps
    let count = (outputs + 31) / 32
    blockBytes = withUnsafePointer(to: Self.layout(outputs, inputs, format, group, nil, nil)) { lmk_coded_block_bytes($0) }
    blocks = UnsafeMutableRawPointer.allocate(byteCount: max(64, count * blockBytes), alignment: 64)
      .assumingMemoryBound(to: UInt8.self)
    outliers = hasOutliers ? .allocate(capacity: max(1, count)) : nil
    outliers?.initialize(repeating: lmk_coded_outliers(), count: count)
  }

  deinit {
    blocks.deallocate()
    for block in 0..<(outputs + 31) / 32 { outliers?[block].words?.deallocate() }
    outliers?.deallocate()
  }

  /// Bytes of memory that codes, scales and outliers occupy.
  public var bytes: Int {
    let count = (outputs + 31) / 32
    guard let outliers else { return count * blockBytes }
    return (0..<count).reduce(count * blockBytes) { $0 + lmk_coded_outlier_bytes(outliers + $1) }
  }

  private static func layout(
    _ outputs: Int, _ inputs: Int, _ format: Format, _ group: Int?, _ blocks: UnsafePointer<UInt8>?,
    _ outliers: UnsafePointer<lmk_coded_outliers>?
  ) -> lmk_coded {
    lmk_coded(
      bits: Int32(format.bits), offset: format.offset, has_minimum: format.hasMinimum ? 1 : 0,
      scaling: group == nil ? LMK_SCALES_ROWS : LMK_SCALES_GROUPED, outputs: outputs, inputs: inputs, blocks: blocks,
      outliers: outliers)
  }

  private var c: lmk_coded { Self.layout(outputs, inputs, format, group, blocks, outliers) }

  /// Lays out the rows of `block`. Blocks may be packed in parallel.
  ///
  /// - Parameters:
  ///   - codes: row-major, `format.rowBytes(inputs)` bytes a row, the even column in the low nibble.
  ///   - scales: f16 bits, [rows][groups]; one group when scales are for rows. `minimums` likewise.
  public func pack(block: Int, codes: UnsafePointer<UInt8>, scales: UnsafePointer<UInt16>, minimums: UnsafePointer<UInt16>?) {
    let source = lmk_coded_source(
      codes: codes, scales: scales, minimums: minimums, rows: min(outputs - block * 32, 32), group: group ?? max(1, inputs))
    withUnsafePointer(to: c) { matrix in
      withUnsafePointer(to: source) { lmk_coded_pack(matrix, $0, blocks + block * blockBytes) }
    }
  }

  /// How many inputs of a block would lie apart in `format`. values: row-major, at most 32 rows.
  public static func countOutliers(_ values: UnsafePointer<Int16>, rows: Int, inputs: Int, format: Format) -> Int {
    withOutliers(values, rows, inputs, format) { $0.small + $0.large }
  }

  private static func withOutliers<Result>(
    _ values: UnsafePointer<Int16>, _ rows: Int, _ inputs: Int, _ format: Format,
    _ body: (inout lmk_coded_outliers) -> Result
  ) -> Result {
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: max(1, inputs)) { found in
      var outliers = lmk_coded_outliers()
      lmk_coded_find_outliers(values, rows, inputs, Int32(format.bits), found.baseAddress!, &outliers)
      return body(&outliers)
    }
  }

  /// Lays out the whole numbers of the rows of `block`; inputs with numbers that the codes cannot hold lie apart. Blocks may be
  /// packed in parallel, each once.
  ///
  /// - Parameters:
  ///   - values: row-major, overwritten.
  ///   - rowSteps: of the rows of the block.
  public func pack(block: Int, values: UnsafeMutablePointer<Int16>, rowSteps: UnsafePointer<Float>) {
    let rows = min(outputs - block * 32, 32)
    Self.withOutliers(values, rows, inputs, format) { found in
      let apart = UnsafeMutableRawPointer.allocate(byteCount: max(64, lmk_coded_outlier_bytes(&found)), alignment: 64)
      withUnsafePointer(to: c) {
        lmk_coded_pack_values($0, values, rows, rowSteps, &found, apart, blocks + block * blockBytes)
      }
      outliers![block] = found
    }
  }

  /// Reads a row as floats. `output` holds `inputs` elements.
  func row(_ index: Int, into output: UnsafeMutablePointer<Float>) {
    withUnsafePointer(to: c) { lmk_coded_row($0, index, output) }
    if let columnSteps { lmk_multiply(output, columnSteps, inputs, output) }
  }

  /// The products with the outputs of `blocks`; y: [tokens] rows of `stride`.
  func multiply(
    _ activations: lmk_activations, tokens: Int, blocks: Range<Int>, into y: UnsafeMutablePointer<Float>, stride: Int
  ) {
    withUnsafePointer(to: c) { matrix in
      withUnsafePointer(to: activations) {
        lmk_coded_product(matrix, blocks.lowerBound, blocks.upperBound, $0, tokens, y, stride)
      }
    }
  }
}
