/// A weight matrix [outputs, inputs] in the layout that its product computes with.
public enum WeightMatrix: Sendable {
  /// Elements and products are floats.
  case floats(FloatMatrix)
  /// Elements are codes, products integers.
  case codes(CodedMatrix)

  /// Rows of the matrix.
  public var outputs: Int {
    switch self {
    case .floats(let matrix): matrix.outputs
    case .codes(let matrix): matrix.outputs
    }
  }

  /// Columns of the matrix.
  public var inputs: Int {
    switch self {
    case .floats(let matrix): matrix.inputs
    case .codes(let matrix): matrix.inputs
    }
  }

  /// Blocks of 32 outputs.
  public var blocks: Int { (outputs + 31) / 32 }

  /// The rows of a block, at most 32.
  public func rows(of block: Int) -> Range<Int> { block * 32..<min(outputs, block * 32 + 32) }

  /// Bytes of memory that the weights occupy.
  public var bytes: Int {
    switch self {
    case .floats(let matrix): matrix.bytes
    case .codes(let matrix): matrix.bytes
    }
  }

  /// How the elements are held: "f16", "int4".
  public var formatName: String {
    switch self {
    case .floats(let matrix): "\(matrix.format)"
    case .codes(let matrix): "\(matrix.format)"
    }
  }

  /// Whether the product reads the codes of the activations.
  public var readsCodes: Bool {
    switch self {
    case .floats: false
    case .codes: true
    }
  }

  /// What the activations are multiplied with, column by column, before their codes are made; nil where it is 1.
  var columnSteps: [Float]? {
    switch self {
    case .floats: nil
    case .codes(let matrix): matrix.columnSteps
    }
  }

  /// Reads a row as floats, for embedding look-ups. `output` holds `inputs` elements.
  public func row(_ index: Int, into output: UnsafeMutablePointer<Float>) {
    switch self {
    case .floats(let matrix): matrix.row(index, into: output)
    case .codes(let matrix): matrix.row(index, into: output)
    }
  }

  /// y[t][o] = sum over k of w[o][k] x[t][k], for some tokens and the outputs of some blocks.
  ///
  /// - Parameters:
  ///   - activations: rows of `inputs` elements, coded if the product reads codes.
  ///   - coding: which of the codings is that with the matrix's column steps.
  ///   - peaks: whether they were coded with peaks.
  ///   - y: rows of `stride` elements, of all tokens.
  public func multiply(
    _ activations: Activations, coding: Int, peaks: Bool, tokens: Range<Int>, blocks: Range<Int>,
    into y: UnsafeMutablePointer<Float>, stride: Int
  ) {
    let first = tokens.lowerBound, y = y + first * stride
    switch self {
    case .floats(let matrix):
      matrix.multiply(
        activations.floats + first * matrix.inputs, tokens: tokens.count, blocks: blocks, into: y, stride: stride)
    case .codes(let matrix):
      let coded = activations.coded(matrix.inputs, coding: coding, peaks: peaks, first: first)
      matrix.multiply(coded, tokens: tokens.count, blocks: blocks, into: y, stride: stride)
    }
  }
}
