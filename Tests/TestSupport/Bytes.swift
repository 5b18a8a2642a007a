import Tensors

/// All bytes of a file.
///
/// - Throws: what `MappedFile` throws.
public func contents(_ path: String) throws(LMToolError) -> [UInt8] {
  let file = try MappedFile(path: path)
  return file.withBytes(0..<file.count) { Array($0) }
}

/// The bytes of text.
public func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
