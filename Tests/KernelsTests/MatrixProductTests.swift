import CKernels
import Kernels
import TestSupport
import Testing

/// Kernels of different instruction sets run one after the other, since the choice is global.
@Suite(.serialized) struct MatrixProductTests {
  /// Rows, columns and depth: single elements, odd remainders of every tile, and more than one slab or block.
  static let sizes = [(1, 1, 1), (5, 3, 2), (12, 32, 64), (13, 33, 65), (6, 16, 7), (31, 70, 1100), (250, 40, 9), (3, 2100, 5)]

  /// How one product is asked for.
  struct Form: Sendable, CustomTestStringConvertible {
    var arithmetic: MatrixProduct.Arithmetic
    var narrow: Bool
    var transposed: (Bool, Bool)
    var accumulate: Bool
    var testDescription: String { "\(arithmetic) narrow \(narrow) \(transposed) accumulate \(accumulate)" }

    static let all: [Form] = [MatrixProduct.Arithmetic.f32, .bf16].flatMap { arithmetic in
      [false, true].flatMap { narrow in
        [(false, false), (true, false), (false, true), (true, true)].map { transposed in
          Form(arithmetic: arithmetic, narrow: narrow, transposed: transposed, accumulate: transposed.0 != narrow)
        }
      }
    }
  }

  /// Elements that show every rounding: most are ordinary, some tiny enough for sums near the least normal number, some
  /// denormal, some zeros of either sign.
  static func elements(_ count: Int, _ noise: inout Noise) -> [Float] {
    (0..<count).map { _ in
      let value = noise.float()
      switch noise.next() % 16 {
      case 0: return value * 0x1p-63
      case 1: return value * 0x1p-126
      case 2: return value < 0 ? -0.0 : 0
      default: return value
      }
    }
  }

  /// C after the product, with rows three longer than needed; what lies between them must stay as it was.
  func product(_ form: Form, _ size: (Int, Int, Int), small: Bool) -> [UInt32] {
    let (rows, columns, depth) = size
    var noise = Noise(UInt64(rows * 31 + columns * 7 + depth))
    let scale: Float = small ? 0x1p-63 : 1
    let strides = ((form.transposed.0 ? rows : depth) + 2, (form.transposed.1 ? depth : columns) + 1)
    let a = Self.elements(strides.0 * (form.transposed.0 ? depth : rows), &noise).map { $0 * scale }
    let b = Self.elements(strides.1 * (form.transposed.1 ? columns : depth), &noise).map { $0 * scale }
    var c = Self.elements(rows * (columns + 3), &noise).map { $0 * scale * scale }
    let asked = MatrixProduct(rows: rows, columns: columns, depth: depth, arithmetic: form.arithmetic)
    if form.narrow {
      var narrowed = ([UInt16](repeating: 0, count: a.count), [UInt16](repeating: 0, count: b.count))
      lmk_f32_to_bf16(a, &narrowed.0, a.count)
      lmk_f32_to_bf16(b, &narrowed.1, b.count)
      narrowed.0.withUnsafeBufferPointer { a in
        narrowed.1.withUnsafeBufferPointer { b in
          asked(
            .init(bf16: a.baseAddress!, stride: strides.0, transposed: form.transposed.0),
            .init(bf16: b.baseAddress!, stride: strides.1, transposed: form.transposed.1), into: &c, stride: columns + 3,
            accumulate: form.accumulate)
        }
      }
    } else {
      a.withUnsafeBufferPointer { a in
        b.withUnsafeBufferPointer { b in
          asked(
            .init(a.baseAddress!, stride: strides.0, transposed: form.transposed.0),
            .init(b.baseAddress!, stride: strides.1, transposed: form.transposed.1), into: &c, stride: columns + 3,
            accumulate: form.accumulate)
        }
      }
    }
    return c.map(\.bitPattern)
  }

  @Test(arguments: Form.all) func everyInstructionSetAgreesToTheBit(form: Form) {
    for size in Self.sizes {
      for small in [false, true] {
        var expected: [UInt32] = []
        onEveryInstructionSet { set in
          let found = product(form, size, small: small)
          if set == .reference { expected = found }
          #expect(found == expected, "\(set) \(size) small \(small)")
        }
      }
    }
  }

  /// Against double precision; in bf16 against the rounded elements.
  @Test(arguments: [MatrixProduct.Arithmetic.f32, .bf16], [false, true])
  func productsMatchDoublePrecision(arithmetic: MatrixProduct.Arithmetic, transposed: Bool) {
    let (rows, columns, depth) = (29, 45, 301)
    var noise = Noise(5)
    let a = noise.floats(rows * depth)
    let b = noise.floats(depth * columns)
    let start = noise.floats(rows * columns)
    var c = start
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        MatrixProduct(rows: rows, columns: columns, depth: depth, arithmetic: arithmetic)(
          .init(a.baseAddress!, stride: transposed ? rows : depth, transposed: transposed),
          .init(b.baseAddress!, stride: transposed ? depth : columns, transposed: transposed), into: &c, stride: columns,
          accumulate: true)
      }
    }
    func rounded(_ value: Float) -> Double {
      guard arithmetic == .bf16 else { return Double(value) }
      let bits = value.bitPattern
      return Double(Float(bitPattern: (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000))
    }
    for row in 0..<rows {
      for column in 0..<columns {
        var exact = Double(start[row * columns + column])
        for k in 0..<depth {
          exact +=
            rounded(a[transposed ? k * rows + row : row * depth + k])
            * rounded(b[transposed ? column * depth + k : k * columns + column])
        }
        #expect(abs(Double(c[row * columns + column]) - exact) <= 1e-5 * Double(depth))
      }
    }
  }

  @Test func bf16ProductsFlushWhatIsDenormalAfterRounding() {
    let least = Float.leastNormalMagnitude
    // Each: C, then one pair of A and B whose other elements are 0, and C + A B. The last four: what is no farther
    // below the least normal number than half a step of 2^-150 rounds up to it, and stays.
    let cases: [(c: Float, a: Float, b: Float, sum: Float)] = [
      (0, least, 0.5, 0), (-least / 2, 1, 0, 0), (least, least / 2, 1, least), (least * 1.5, -least, 1, 0),
      (least, -least, 0x1p-24, 0), (least, -least, 0x1.8p-25, 0), (least, -least, 0x1p-25, least),
      (least, -least, 0x1.8p-26, least),
    ]
    onEveryInstructionSet { set in
      for (c, a, b, sum) in cases {
        for odd in [0, 1] {
          var left: [Float] = [0, 0]
          var right: [Float] = [0, 0]
          left[odd] = a
          right[odd] = b
          var result = c
          left.withUnsafeBufferPointer { left in
            right.withUnsafeBufferPointer { right in
              MatrixProduct(rows: 1, columns: 1, depth: 2, arithmetic: .bf16)(
                .init(left.baseAddress!, stride: 2), .init(right.baseAddress!, stride: 1), into: &result, stride: 1,
                accumulate: true)
            }
          }
          #expect(result == sum, "\(set): \(c) + \(a) * \(b)")
        }
      }
    }
  }

  @Test func withoutDepthTheProductIsZeroAndTheSumStays() {
    var c: [Float] = [1, 2, 3]
    let x: [Float] = [0]
    x.withUnsafeBufferPointer { x in
      let empty = MatrixProduct(rows: 1, columns: 3, depth: 0)
      empty(.init(x.baseAddress!, stride: 1), .init(x.baseAddress!, stride: 3), into: &c, stride: 3, accumulate: true)
      #expect(c == [1, 2, 3])
      empty(.init(x.baseAddress!, stride: 1), .init(x.baseAddress!, stride: 3), into: &c, stride: 3)
    }
    #expect(c == [0, 0, 0])
  }

  @Test(arguments: [MatrixProduct.Arithmetic.f32, .bf16], [1, 31, 64, 301])
  func theGramMatrixIsTheProductToTheBit(arithmetic: MatrixProduct.Arithmetic, size: Int) {
    let tokens = 37
    var noise = Noise(11)
    let x = noise.floats(tokens * size)
    let h = [Float](repeating: 0, count: size * size)
    onEveryInstructionSet { set in
      var (whole, half) = (h, h)
      x.withUnsafeBufferPointer { x in
        for _ in 0..<2 {
          MatrixProduct(rows: size, columns: size, depth: tokens, arithmetic: arithmetic)(
            .init(x.baseAddress!, stride: size, transposed: true), .init(x.baseAddress!, stride: size), into: &whole,
            stride: size, accumulate: true)
          MatrixProduct.addGram(of: x.baseAddress!, tokens: tokens, size: size, to: &half, arithmetic: arithmetic)
        }
      }
      #expect(half == whole, "\(set)")
    }
  }

  @Test func threadsDoNotChangeTheResult() {
    let form = Form(arithmetic: .bf16, narrow: false, transposed: (false, true), accumulate: true)
    defer { ThreadPool.configure(threads: ThreadPool.availableCores) }
    ThreadPool.configure(threads: 1)
    let one = product(form, (300, 700, 600), small: false)
    for threads in [2, 3] {
      ThreadPool.configure(threads: threads)
      #expect(product(form, (300, 700, 600), small: false) == one, "\(threads) threads")
    }
  }
}
