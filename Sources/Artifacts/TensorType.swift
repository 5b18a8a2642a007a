import Kernels
import Quantization
import Tensors

/// The type of a tensor in an `.lmz` file: a float dtype, a scheme, or rate mode (rule LMZ-11).
enum TensorType: Equatable {
  case plain(DType)
  case grid(GridScheme)
  case rate

  /// What the manifest calls rate mode.
  static let rateName = "rate"

  /// The plain dtypes that are stored.
  static let plainTypes: [DType] = [.f32, .f16, .bf16]

  /// The type of this name, nil when there is none.
  init?(_ name: String) {
    if let type = DType(rawValue: name), Self.plainTypes.contains(type) {
      self = .plain(type)
    } else if let scheme = GridScheme(name: name) {
      self = .grid(scheme)
    } else if name == Self.rateName {
      self = .rate
    } else {
      return nil
    }
  }

  /// Bytes of an encoded value of a rate matrix at most.
  private static let rateBytes = 10

  /// Bytes of an element and of all elements of one stream, from the fewest to the most.
  struct StreamSize: Equatable {
    let width: Int
    let raw: ClosedRange<Int>

    init(width: Int, raw: ClosedRange<Int>) {
      self.width = width
      self.raw = raw
    }

    init(width: Int, raw: Int) { self.init(width: width, raw: raw...raw) }
  }

  /// The streams of a tensor of this type (rules LMZ-12, LMZ-13 and LMZ-18).
  ///
  /// - Precondition: the shape obeys rule LMZ-11.
  /// - Throws: `badInput` when a quantized tensor is no matrix.
  func streams(shape: [Int]) throws(LMToolError) -> [StreamSize] {
    switch self {
    case .plain(let type):
      return [StreamSize(width: type.size, raw: (elementCount(shape) ?? 0) * type.size)]
    case .grid(let scheme):
      let layout = try GridLayout(shape: shape, scheme: scheme)
      let scales = StreamSize(width: 2, raw: 2 * layout.scaleCount)
      return [StreamSize(width: 1, raw: layout.codeBytes), scales] + (scheme.hasMinimum ? [scales] : [])
    case .rate:
      guard shape.count == 2, let count = elementCount(shape) else {
        throw LMToolError(.badInput, "a rate matrix has two dimensions, not \(shape.count)")
      }
      let lanes = (shape[0] + RateKernel.laneRows - 1) / RateKernel.laneRows
      return [StreamSize(width: 1, raw: (4 * lanes)...(4 * lanes + Self.rateBytes * count))]
    }
  }
}

extension DType {
  /// The index of the first element that is NaN or infinite among little-endian `bytes` of this float type.
  func firstNonfinite(_ bytes: UnsafeRawBufferPointer) -> Int? {
    switch self {
    case .f32: Self.first(in: bytes, UInt32.self, exponent: 0x7F80_0000)
    case .f16: Self.first(in: bytes, UInt16.self, exponent: 0x7C00)
    case .bf16: Self.first(in: bytes, UInt16.self, exponent: 0x7F80)
    case .f64: Self.first(in: bytes, UInt64.self, exponent: 0x7FF0_0000_0000_0000)
    case .f8e4m3, .f8e5m2, .i64, .i32, .i16, .i8, .u64, .u32, .u16, .u8, .bool: nil
    }
  }

  private static func first<Bits: FixedWidthInteger>(
    in bytes: UnsafeRawBufferPointer, _ type: Bits.Type, exponent: Bits
  ) -> Int? {
    let size = MemoryLayout<Bits>.size
    return (0..<(bytes.count / size)).first {
      Bits(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * size, as: Bits.self)) & exponent == exponent
    }
  }
}
