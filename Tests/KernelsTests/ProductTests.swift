import CKernels
import Kernels
import TestSupport
import Testing

/// Kernels of different instruction sets run one after the other, since the choice is global.
@Suite(.serialized) struct ProductTests {
  static let sizes = [(1, 1), (31, 5), (32, 64), (33, 33), (70, 96), (129, 47), (64, 200)]

  /// A random matrix of any format, and the floats it stands for, row-major.
  func matrix(_ format: WeightMatrix.Format, outputs: Int, inputs: Int, group: Int) -> (WeightMatrix, [Float]) {
    var noise = Noise(UInt64(outputs * 1000 + inputs))
    let groups = (inputs + group - 1) / group
    let rowBytes = format.rowBytes(inputs)
    var source = [UInt8](repeating: 0, count: outputs * rowBytes)
    for index in source.indices { source[index] = UInt8(truncatingIfNeeded: noise.next() >> 20) }
    if !format.isQuantized {
      let floats = noise.floats(outputs * inputs)
      source.withUnsafeMutableBytes { bytes in
        let base = bytes.baseAddress!
        switch format {
        case .f16: narrow(floats, toF16: base, count: floats.count)
        case .bf16: narrow(floats, toBF16: base, count: floats.count)
        case .f32, .int8, .uint8, .int4, .uint4: floats.withUnsafeBytes { bytes.copyMemory(from: $0) }
        }
      }
    }
    let scales = noise.floats(outputs * groups).map(floatToHalf)
    let minimums = noise.floats(outputs * groups).map(floatToHalf)
    let made = WeightMatrix(outputs: outputs, inputs: inputs, format: format, group: group)
    source.withUnsafeBytes { bytes in
      for block in 0..<made.blocks {
        let start = made.rows(of: block).lowerBound
        scales.withUnsafeBufferPointer { scales in
          minimums.withUnsafeBufferPointer { minimums in
            made.pack(
              block: block, rows: bytes.baseAddress! + start * rowBytes, scales: scales.baseAddress! + start * groups,
              minimums: minimums.baseAddress! + start * groups)
          }
        }
      }
    }
    var floats = [Float](repeating: 0, count: outputs * inputs)
    for row in 0..<outputs {
      for column in 0..<inputs {
        let scale = halfToFloat(scales[row * groups + column / group])
        let minimum = halfToFloat(minimums[row * groups + column / group])
        let byte = source[row * rowBytes + min(rowBytes - 1, format.rowBytes(column + 1) - 1)]
        let nibble = Float(column % 2 == 0 ? byte & 15 : byte >> 4)
        let at = row * rowBytes + column * (format == .f32 ? 4 : 2)
        floats[row * inputs + column] =
          switch format {
          case .f32: source.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: at, as: Float.self) }
          case .f16: source.withUnsafeBytes { halfToFloat($0.loadUnaligned(fromByteOffset: at, as: UInt16.self)) }
          case .bf16:
            source.withUnsafeBytes { Float(bitPattern: UInt32($0.loadUnaligned(fromByteOffset: at, as: UInt16.self)) << 16) }
          case .int8: scale * Float(Int8(bitPattern: byte))
          case .uint8: scale * Float(byte) + minimum
          case .int4: scale * (nibble - 8)
          case .uint4: scale * nibble + minimum
          }
      }
    }
    return (made, floats)
  }

  func product(_ matrix: WeightMatrix, _ x: [Float], tokens: Int) -> [Float] {
    var y = [Float](repeating: .nan, count: tokens * matrix.outputs)
    matrix.multiply(x, tokens: tokens, into: &y)
    return y
  }

  @Test(arguments: [WeightMatrix.Format.f32, .f16, .bf16, .int8, .uint8, .int4, .uint4])
  func everyInstructionSetAgreesToTheBit(format: WeightMatrix.Format) {
    let usual = InstructionSet.inUse
    defer { usual.force() }
    for (outputs, inputs) in Self.sizes {
      for group in [32, inputs] {
        let (matrix, _) = matrix(format, outputs: outputs, inputs: inputs, group: group)
        for tokens in [1, 2, 5, 29] {
          var noise = Noise(7)
          let x = noise.floats(tokens * inputs)
          InstructionSet.reference.force()
          let expected = product(matrix, x, tokens: tokens).map(\.bitPattern)
          for set in InstructionSet.allCases where set.isAvailable {
            set.force()
            #expect(product(matrix, x, tokens: tokens).map(\.bitPattern) == expected, "\(set) \(outputs)x\(inputs) \(tokens)")
          }
        }
      }
    }
  }

  @Test(arguments: [WeightMatrix.Format.f32, .f16, .bf16, .int8, .uint8, .int4, .uint4])
  func productsMatchDoublePrecision(format: WeightMatrix.Format) {
    for (outputs, inputs) in Self.sizes {
      let (matrix, floats) = matrix(format, outputs: outputs, inputs: inputs, group: 32)
      var noise = Noise(3)
      let x = noise.floats(3 * inputs)
      let y = product(matrix, x, tokens: 3)
      for token in 0..<3 {
        for output in 0..<outputs {
          var exact = 0.0, magnitude = 0.0
          for k in 0..<inputs {
            let term = Double(floats[output * inputs + k]) * Double(x[token * inputs + k])
            exact += term
            magnitude += term.magnitude
          }
          // Codes and minimums cancel, so the bound is on the terms as they are added: scale * code and minimum apart.
          #expect(abs(Double(y[token * outputs + output]) - exact) <= 1e-5 * (magnitude + 16 * Double(inputs)))
        }
      }
    }
  }

  @Test func rowsReadBackWhatWasPacked() {
    for format in [WeightMatrix.Format.f32, .f16, .bf16, .int8, .uint8, .int4, .uint4] {
      let (matrix, floats) = matrix(format, outputs: 37, inputs: 50, group: 32)
      for row in [0, 31, 32, 36] {
        var read = [Float](repeating: 0, count: 50)
        matrix.row(row, into: &read)
        for column in 0..<50 { #expect(abs(read[column] - floats[row * 50 + column]) <= 1e-4 * abs(read[column])) }
      }
    }
  }

  @Test func threadsDoNotChangeTheResult() {
    let (matrix, _) = matrix(.int4, outputs: 500, inputs: 192, group: 32)
    var noise = Noise(9)
    let x = noise.floats(4 * 192)
    ThreadPool.configure(threads: 1)
    let one = product(matrix, x, tokens: 4)
    ThreadPool.configure(threads: 3)
    let three = product(matrix, x, tokens: 4)
    ThreadPool.configure(threads: ThreadPool.availableCores)
    #expect(one == three)
  }
}
