import Quantization
import Tensors
import TestSupport

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Bytes in memory as a source.
struct MemoryBytes: ByteSource {
  let bytes: [UInt8]
  var count: Int { bytes.count }
  func discard() {}

  init(_ bytes: [UInt8]) { self.bytes = bytes }
  init(_ halves: [UInt16]) { bytes = halves.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] } }

  func read(_ range: Range<Int>, into output: UnsafeMutableRawBufferPointer) throws(LMToolError) {
    output.copyBytes(from: bytes[range])
  }
}

/// Standard normal numbers, the same for the same seed (Box and Muller).
func gaussians(_ count: Int, seed: UInt64 = 1) -> [Float] {
  var noise = Noise(seed)
  func uniform() -> Double { (Double(noise.next() >> 11) + 0.5) / 9_007_199_254_740_992 }
  return (0..<count).map { _ in Float((-2 * log(uniform())).squareRoot() * cos(2 * .pi * uniform())) }
}

func scheme(_ name: String) -> GridScheme {
  guard let scheme = GridScheme(name: name) else { fatalError("no scheme \(name)") }
  return scheme
}

func quantize(_ floats: [Float], _ shape: [Int], _ name: String) throws(LMToolError) -> GridTensor {
  try ClipSearch(scheme(name)).quantize(FloatTensor(shape: shape, floats: floats))
}

/// The rule of the error that `body` throws, "" when it names none, nil when there is no error.
func rule(_ body: () throws(LMToolError) -> Void) -> String? {
  do throws(LMToolError) { try body() } catch { return error.rule ?? "" }
  return nil
}

/// Root mean square of the error relative to that of the weights.
func relativeError(_ weights: [Float], _ grid: GridTensor) -> Double {
  let pairs = zip(weights, grid.dequantized())
  let error = pairs.reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
  return (error / weights.reduce(0.0) { $0 + Double($1 * $1) }).squareRoot()
}
