import CKernels

/// A matrix [outputs, inputs] of floats in compute layout: blocks of 32 outputs, input by input. See `product.h`.
public final class FloatMatrix: Sendable {
  /// How the elements are held.
  public enum Format: UInt32, Sendable, CaseIterable {
    case f32 = 0
    case f16 = 1
    case bf16 = 2

    /// Bytes of an element.
    public var size: Int { self == .f32 ? 4 : 2 }
  }

  /// Rows of the matrix.
  public let outputs: Int
  /// Columns of the matrix.
  public let inputs: Int
  /// How the elements are held.
  public let format: Format
  private let blockBytes: Int
  private nonisolated(unsafe) let values: UnsafeMutableRawPointer

  /// An empty matrix; every block must be packed before use.
  public init(outputs: Int, inputs: Int, format: Format) {
    self.outputs = outputs
    self.inputs = inputs
    self.format = format
    blockBytes = lmk_block_bytes(lmk_format(format.rawValue), inputs)
    values = .allocate(byteCount: max(64, (outputs + 31) / 32 * blockBytes), alignment: 64)
  }

  deinit { values.deallocate() }

  /// Bytes of memory that the elements occupy.
  public var bytes: Int { (outputs + 31) / 32 * blockBytes }

  /// Lays out the rows of `block`, elements of `format` in row-major order. Blocks may be packed in parallel.
  public func pack(block: Int, rows: UnsafeRawPointer) {
    let count = min(outputs - block * 32, 32)
    lmk_pack_block(lmk_format(format.rawValue), rows, count, inputs, values + block * blockBytes)
  }

  private var c: lmk_matrix {
    lmk_matrix(format: lmk_format(format.rawValue), outputs: outputs, inputs: inputs, values: values)
  }

  /// Reads a row as floats. `output` holds `inputs` elements.
  func row(_ index: Int, into output: UnsafeMutablePointer<Float>) {
    withUnsafePointer(to: c) { lmk_row($0, index, output) }
  }

  /// The products with the outputs of `blocks`; x: [tokens][inputs], y: [tokens] rows of `stride`.
  func multiply(
    _ x: UnsafePointer<Float>, tokens: Int, blocks: Range<Int>, into y: UnsafeMutablePointer<Float>, stride: Int
  ) {
    withUnsafePointer(to: c) { lmk_product($0, blocks.lowerBound, blocks.upperBound, x, tokens, y, stride) }
  }
}
