import Tensors
import Testing

/// The bytes of an integer, little-endian.
func bytes<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

/// The bytes of floats, little-endian.
func bytes(_ floats: [Float]) -> [UInt8] { floats.flatMap { bytes($0.bitPattern) } }

/// Floats with bit patterns, so that NaN and the sign of zero count.
func bits(_ floats: [Float]) -> [UInt32] { floats.map(\.bitPattern) }

/// Elements of `range`.
func read(_ tensor: any TensorReader, _ range: Range<Int>) throws -> [Float] {
  var floats = [Float](repeating: .nan, count: range.count)
  try floats.withUnsafeMutableBufferPointer { try tensor.read(range, into: $0) }
  return floats
}

/// Expects that `body` refuses its input with `rule`, and returns the error.
@discardableResult
func expectRefusal(
  _ rule: String?, code: LMToolError.Code = .badInput, sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () throws -> Void
) -> LMToolError? {
  let error = #expect(throws: LMToolError.self, sourceLocation: sourceLocation, performing: body)
  #expect(error?.rule == rule, "\(error.map(String.init(describing:)) ?? "no error")", sourceLocation: sourceLocation)
  #expect(error?.code == code, sourceLocation: sourceLocation)
  return error
}
