import Kernels
import TestSupport
import Testing

struct CodedMatrixTests {
  static let sizes = [(1, 1), (31, 5), (32, 64), (33, 33), (70, 96), (129, 47), (64, 200)]
  static let groups: [Int?] = [32, 64, nil]

  /// A random matrix, and the floats it stands for, row-major.
  func matrix(_ format: CodedMatrix.Format, outputs: Int, inputs: Int, group: Int?) -> (WeightMatrix, [Float]) {
    var noise = Noise(UInt64(outputs * 1000 + inputs))
    let size = group ?? inputs, groups = (inputs + size - 1) / size, rowBytes = format.rowBytes(inputs)
    let codes = (0..<outputs * rowBytes).map { _ in UInt8(truncatingIfNeeded: noise.next() >> 20) }
    let scales = noise.floats(outputs * groups).map(floatToHalf)
    let minimums = noise.floats(outputs * groups).map { floatToHalf(100 * $0) }
    let made = CodedMatrix(outputs: outputs, inputs: inputs, format: format, group: group)
    codes.withUnsafeBufferPointer { codes in
      scales.withUnsafeBufferPointer { scales in
        minimums.withUnsafeBufferPointer { minimums in
          for first in stride(from: 0, to: outputs, by: 32) {
            made.pack(
              block: first / 32, codes: codes.baseAddress! + first * rowBytes, scales: scales.baseAddress! + first * groups,
              minimums: format.hasMinimum ? minimums.baseAddress! + first * groups : nil)
          }
        }
      }
    }
    let floats = (0..<outputs * inputs).map { index in
      let row = index / inputs, column = index % inputs, factor = row * groups + column / size
      let byte = codes[row * rowBytes + (format.bits == 4 ? column / 2 : column)]
      let nibble = Float(column % 2 == 0 ? byte & 15 : byte >> 4)
      return switch format {
      case .int8: halfToFloat(scales[factor]) * Float(Int8(bitPattern: byte))
      case .uint8: halfToFloat(minimums[factor]).addingProduct(halfToFloat(scales[factor]), Float(byte))
      case .int4: halfToFloat(scales[factor]) * (nibble - 8)
      case .uint4: halfToFloat(minimums[factor]).addingProduct(halfToFloat(scales[factor]), nibble)
      }
    }
    return (.codes(made), floats)
  }

  @Test(arguments: CodedMatrix.Format.allCases, groups) func everyInstructionSetAgreesToTheBit(
    format: CodedMatrix.Format, group: Int?
  ) {
    for (outputs, inputs) in Self.sizes {
      let (matrix, _) = matrix(format, outputs: outputs, inputs: inputs, group: group)
      for tokens in [1, 2, 3, 5, 29] {
        let rows = Rows(tokens: tokens, inputs: inputs)
        for peaks in [false, true] {
          _ = agreed("\(outputs)x\(inputs) \(tokens) \(peaks)") { rows.product(matrix, peaks: peaks) }
        }
      }
    }
  }

  /// Codes of activations are exact when the largest of each 32 is 127 times a power of two and all are whole multiples of it.
  @Test(arguments: CodedMatrix.Format.allCases, groups) func productsAreThoseOfTheWeights(
    format: CodedMatrix.Format, group: Int?
  ) {
    for (outputs, inputs) in Self.sizes {
      let (matrix, floats) = matrix(format, outputs: outputs, inputs: inputs, group: group)
      let rows = Rows(tokens: 7, inputs: inputs, wholeCodes: true)
      expectClose(rows.product(matrix), rows.exactProduct(floats, outputs: outputs), relative: 2e-5)
    }
  }

  @Test(arguments: CodedMatrix.Format.allCases) func anyActivationsLoseLittle(format: CodedMatrix.Format) {
    let (matrix, floats) = matrix(format, outputs: 40, inputs: 768, group: 32)
    let rows = Rows(tokens: 4, inputs: 768)
    let product = rows.product(matrix), exact = rows.exactProduct(floats, outputs: 40)
    // Each activation is off by at most 1/254 of the largest of its 32, and signs cancel.
    expectClose(product, exact, relative: 1.2e-3)
    #expect(zip(product, exact).contains { Double($0) != $1.value })
  }

  /// With an outlier a thousand times as large as the rest, 8 bits keep nothing of the rest; with peaks they keep all.
  @Test(arguments: CodedMatrix.Format.allCases) func peaksKeepTheRest(format: CodedMatrix.Format) {
    let (matrix, floats) = matrix(format, outputs: 40, inputs: 100, group: 32)
    var rows = Rows(tokens: 5, inputs: 100)
    for index in stride(from: 7, to: rows.x.count, by: 67) { rows.x[index] = index % 2 == 0 ? 100 : -100 }
    let small = rows.x.map { abs($0) < 50 ? $0 : 0 }, large = rows.x.map { abs($0) < 50 ? 0 : $0 }
    func rest(peaks: Bool) -> [Float] {
      var only = rows
      only.x = large
      return zip(rows.product(matrix, peaks: peaks), only.exactProduct(floats, outputs: 40)).map { Float(Double($0) - $1.value) }
    }
    var only = rows
    only.x = small
    let exact = only.exactProduct(floats, outputs: 40)
    func error(_ values: [Float]) -> Double {
      let sum = zip(values, exact).reduce(0) { $0 + (Double($1.0) - $1.1.value) * (Double($1.0) - $1.1.value) }
      return (sum / exact.reduce(0) { $0 + $1.value * $1.value }).squareRoot()
    }
    #expect(error(rest(peaks: true)) < 0.02)
    #expect(error(rest(peaks: false)) > 0.1)
  }

  @Test(arguments: CodedMatrix.Format.allCases, groups) func rowsReadBackWhatWasPacked(
    format: CodedMatrix.Format, group: Int?
  ) {
    let (matrix, floats) = matrix(format, outputs: 37, inputs: 51, group: group)
    for row in [0, 31, 32, 36] {
      var read = [Float](repeating: 0, count: 51)
      matrix.row(row, into: &read)
      #expect(read == Array(floats[row * 51..<row * 51 + 51]))
    }
  }

  @Test func threadsDoNotChangeTheResult() {
    let (first, _) = matrix(.int4, outputs: 500, inputs: 192, group: 32)
    let (second, _) = matrix(.uint8, outputs: 77, inputs: 192, group: nil)
    let rows = Rows(tokens: 4, inputs: 192)
    ThreadPool.configure(threads: 1)
    let one = rows.product(Projection([first, second]))
    ThreadPool.configure(threads: 3)
    let three = rows.product(Projection([first, second]))
    ThreadPool.configure(threads: ThreadPool.availableCores)
    #expect(one == three)
  }

  @Test func projectionsPutOutputsSideBySide() {
    let matrices = [(CodedMatrix.Format.int4, 40), (.int8, 33), (.uint4, 5)].map { format, outputs in
      matrix(format, outputs: outputs, inputs: 64, group: 32).0
    }
    let rows = Rows(tokens: 3, inputs: 64)
    let joined = rows.product(Projection(matrices)), apart = matrices.map { rows.product($0) }
    for token in 0..<3 {
      let expected = zip(matrices, apart).flatMap { matrix, y in y[token * matrix.outputs..<(token + 1) * matrix.outputs] }
      #expect(Array(joined[token * 78..<(token + 1) * 78]) == expected)
    }
  }

  @Test func activationsThatAreNotFiniteDoNotPass() {
    let (matrix, _) = matrix(.int8, outputs: 32, inputs: 64, group: 32)
    for bad in [Float.nan, .infinity, -.infinity] {
      var rows = Rows(tokens: 1, inputs: 64)
      rows.x[40] = bad
      for peaks in [false, true] {
        #expect(rows.product(matrix, peaks: peaks).allSatisfy { !$0.isFinite }, "\(bad)")
      }
    }
  }

  @Test func tinyActivationsAreZero() {
    let (matrix, _) = matrix(.int4, outputs: 32, inputs: 32, group: 32)
    var rows = Rows(tokens: 1, inputs: 32)
    rows.x = rows.x.map { $0 * 1e-35 }
    #expect(rows.product(matrix).allSatisfy { $0 == 0 } && rows.product(matrix, peaks: true).allSatisfy { $0 == 0 })
  }
}
