import Kernels
import Tensors

extension DType {
  /// Converts stored little-endian elements to floats. `source` needs no alignment; `output` has room for all of them.
  func widen(_ source: UnsafeRawBufferPointer, to output: UnsafeMutablePointer<Float>) {
    guard let base = source.baseAddress else { return }
    let count = source.count / size
    switch self {
    case .f32: UnsafeMutableRawPointer(output).copyMemory(from: base, byteCount: count * size)
    case .f16: Kernels.widen(f16: base, to: output, count: count)
    case .bf16: Kernels.widen(bf16: base, to: output, count: count)
    case .f64: convert(base, to: output, count: count) { (value: UInt64) in Float(Double(bitPattern: value)) }
    case .f8e4m3: Float8Table.e4m3.widen(source, to: output)
    case .f8e5m2: Float8Table.e5m2.widen(source, to: output)
    case .i64: convert(base, to: output, count: count) { (value: Int64) in Float(value) }
    case .i32: convert(base, to: output, count: count) { (value: Int32) in Float(value) }
    case .i16: convert(base, to: output, count: count) { (value: Int16) in Float(value) }
    case .i8: convert(base, to: output, count: count) { (value: Int8) in Float(value) }
    case .u64: convert(base, to: output, count: count) { (value: UInt64) in Float(value) }
    case .u32: convert(base, to: output, count: count) { (value: UInt32) in Float(value) }
    case .u16: convert(base, to: output, count: count) { (value: UInt16) in Float(value) }
    case .u8: convert(base, to: output, count: count) { (value: UInt8) in Float(value) }
    case .bool: convert(base, to: output, count: count) { (value: UInt8) in value == 0 ? 0 : 1 }
    }
  }

  /// Converts floats to stored little-endian elements, rounding to nearest even, and hands them on in pieces of at most
  /// 16,384 elements.
  ///
  /// - Throws: `bug` for integers and 8-bit floats, which have no conversion from floats, and what `consume` throws.
  func narrow(
    _ source: UnsafeBufferPointer<Float>, _ consume: (UnsafeRawBufferPointer) throws(LMToolError) -> Void
  ) throws(LMToolError) {
    guard isFloat, size > 1 else { throw LMToolError(.bug, "floats cannot be written to a tensor of type \(rawValue)") }
    let piece = 1 << 14
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: piece * size, alignment: 64)
    defer { room.deallocate() }
    for start in stride(from: 0, to: source.count, by: piece) {
      let part = UnsafeBufferPointer(rebasing: source[start..<min(start + piece, source.count)])
      guard let base = part.baseAddress, let target = room.baseAddress else { continue }
      narrow(base, part.count, to: target)
      try consume(UnsafeRawBufferPointer(start: target, count: part.count * size))
    }
  }

  private func narrow(_ source: UnsafePointer<Float>, _ count: Int, to output: UnsafeMutableRawPointer) {
    switch self {
    case .f32: output.copyMemory(from: source, byteCount: count * size)
    case .f16: Kernels.narrow(source, toF16: output, count: count)
    case .bf16: Kernels.narrow(source, toBF16: output, count: count)
    case .f64:
      for index in 0..<count {
        output.storeBytes(of: Double(source[index]).bitPattern.littleEndian, toByteOffset: 8 * index, as: UInt64.self)
      }
    case .f8e4m3, .f8e5m2, .i64, .i32, .i16, .i8, .u64, .u32, .u16, .u8, .bool: preconditionFailure("these have no conversion")
    }
  }
}

@inline(__always)
private func convert<Element: FixedWidthInteger>(
  _ source: UnsafeRawPointer, to output: UnsafeMutablePointer<Float>, count: Int, _ value: (Element) -> Float
) {
  for index in 0..<count {
    let element = source.loadUnaligned(fromByteOffset: index * MemoryLayout<Element>.size, as: Element.self)
    output[index] = value(Element(littleEndian: element))
  }
}
