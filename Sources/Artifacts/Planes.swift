/// The bytes of elements, sorted by significance (rule LMZ-7).
enum Planes {
  /// Elements of a block.
  static let block = Frame.maximumRaw

  /// Byte `plane` of every element of `elements`, each `width` bytes wide.
  static func plane(_ plane: Int, of elements: UnsafeRawBufferPointer, width: Int) -> [UInt8] {
    let count = elements.count / width
    if width == 1 { return Array(elements) }
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      for index in 0..<count { buffer[index] = elements[index * width + plane] }
      initialized = count
    }
  }

  /// Puts the bytes of one plane in their places among elements `width` bytes wide.
  static func join(_ bytes: UnsafeRawBufferPointer, plane: Int, width: Int, into elements: UnsafeMutableRawBufferPointer) {
    precondition(elements.count == bytes.count * width, "the plane does not fill the elements")
    for index in 0..<bytes.count { elements[index * width + plane] = bytes[index] }
  }

  /// Frames of a stream: as many for each block as an element has bytes.
  static func frameCount(raw: Int, width: Int) -> Int {
    let elements = raw / width
    return (elements + block - 1) / block * width
  }
}
