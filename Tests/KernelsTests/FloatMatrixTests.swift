import Kernels
import TestSupport
import Testing

struct FloatMatrixTests {
  static let sizes = [(1, 1), (31, 5), (32, 64), (33, 33), (70, 96), (129, 47), (64, 200)]

  /// A random matrix, and the floats it stands for, row-major.
  func matrix(_ format: FloatMatrix.Format, outputs: Int, inputs: Int) -> (WeightMatrix, [Float]) {
    var noise = Noise(UInt64(outputs * 1000 + inputs))
    var floats = noise.floats(outputs * inputs)
    var source = [UInt8](repeating: 0, count: floats.count * format.size)
    source.withUnsafeMutableBytes { bytes in
      let base = bytes.baseAddress!
      switch format {
      case .f16: narrow(floats, toF16: base, count: floats.count)
      case .bf16: narrow(floats, toBF16: base, count: floats.count)
      case .f32: floats.withUnsafeBytes { bytes.copyMemory(from: $0) }
      }
    }
    for index in floats.indices {
      source.withUnsafeBytes { bytes in
        switch format {
        case .f16: floats[index] = halfToFloat(bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
        case .bf16:
          floats[index] = Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)) << 16)
        case .f32: break
        }
      }
    }
    let made = FloatMatrix(outputs: outputs, inputs: inputs, format: format)
    source.withUnsafeBytes { bytes in
      for block in 0..<(outputs + 31) / 32 {
        made.pack(block: block, rows: bytes.baseAddress! + block * 32 * inputs * format.size)
      }
    }
    return (.floats(made), floats)
  }

  @Test(arguments: FloatMatrix.Format.allCases) func everyInstructionSetAgreesToTheBit(format: FloatMatrix.Format) {
    for (outputs, inputs) in Self.sizes {
      let (matrix, _) = matrix(format, outputs: outputs, inputs: inputs)
      for tokens in [1, 2, 5, 29] {
        let rows = Rows(tokens: tokens, inputs: inputs)
        _ = agreed("\(outputs)x\(inputs) \(tokens)") { rows.product(matrix) }
      }
    }
  }

  @Test(arguments: FloatMatrix.Format.allCases) func productsMatchDoublePrecision(format: FloatMatrix.Format) {
    for (outputs, inputs) in Self.sizes {
      let (matrix, floats) = matrix(format, outputs: outputs, inputs: inputs)
      let rows = Rows(tokens: 3, inputs: inputs)
      expectClose(rows.product(matrix), rows.exactProduct(floats, outputs: outputs), relative: 1e-5)
    }
  }

  @Test(arguments: FloatMatrix.Format.allCases) func rowsReadBackWhatWasPacked(format: FloatMatrix.Format) {
    let (matrix, floats) = matrix(format, outputs: 37, inputs: 50)
    for row in [0, 31, 32, 36] {
      var read = [Float](repeating: 0, count: 50)
      matrix.row(row, into: &read)
      #expect(read == Array(floats[row * 50..<row * 50 + 50]))
    }
  }
}
