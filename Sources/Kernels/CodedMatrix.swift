import CKernels

/// A matrix [outputs, inputs] of 4- or 8-bit codes in compute layout, multiplied with activations of 8 bits by integer dot
/// products. A weight is scale · (code - offset) + minimum. See `coded.h`.
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
  private let group: Int?
  private let blockBytes: Int
  private nonisolated(unsafe) let blocks: UnsafeMutablePointer<UInt8>

  /// An empty matrix; every block must be packed before use.
  ///
  /// - Parameter group: inputs that share a scale, a multiple of 32; nil for one scale for each row. The compute layout has
  ///   scales for rows or for groups of 32, so those of larger groups are repeated.
  public init(outputs: Int, inputs: Int, format: Format, group: Int?) {
    precondition(group.map { $0 > 0 && $0 % 32 == 0 } ?? true, "groups are multiples of 32 inputs")
    self.outputs = outputs
    self.inputs = inputs
    self.format = format
    self.group = group
    blockBytes = withUnsafePointer(to: Self.layout(outputs, inputs, format, group, nil)) { lmk_coded_block_bytes($0) }
    blocks = UnsafeMutableRawPointer.allocate(byteCount: max(64, (outputs + 31) / 32 * blockBytes), alignment: 64)
      .assumingMemoryBound(to: UInt8.self)
  }

  deinit { blocks.deallocate() }

  /// Bytes of memory that codes and scales occupy.
  public var bytes: Int { (outputs + 31) / 32 * blockBytes }

  private static func layout(
    _ outputs: Int, _ inputs: Int, _ format: Format, _ group: Int?, _ blocks: UnsafePointer<UInt8>?
  ) -> lmk_coded {
    lmk_coded(
      bits: Int32(format.bits), offset: format.offset, has_minimum: format.hasMinimum ? 1 : 0,
      scaling: group == nil ? LMK_SCALES_ROWS : LMK_SCALES_GROUPED, outputs: outputs, inputs: inputs, blocks: blocks)
  }

  private var c: lmk_coded { Self.layout(outputs, inputs, format, group, blocks) }

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

  /// Reads a row as floats. `output` holds `inputs` elements.
  func row(_ index: Int, into output: UnsafeMutablePointer<Float>) {
    withUnsafePointer(to: c) { lmk_coded_row($0, index, output) }
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
