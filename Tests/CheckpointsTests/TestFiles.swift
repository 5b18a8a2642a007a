import Tensors
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A folder of its own for the files of one test, removed with this object.
final class TestFolder {
  let path: String

  init() throws {
    var template = Array("/tmp/lmtool-checkpoints-XXXXXX".utf8CString)
    path = try #require(mkdtemp(&template).map { String(cString: $0) })
  }

  deinit {
    for file in files { unlink(path + "/" + file) }
    rmdir(path)
  }

  /// The names of the files that are there.
  var files: [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Writes a file and returns its path.
  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let path = self.path + "/" + name
    let file = try #require(fopen(path, "w"))
    defer { fclose(file) }
    try #require(fwrite(bytes, 1, bytes.count, file) == bytes.count)
    return path
  }
}

/// The path of a committed fixture.
func fixture(_ name: String, from source: String = #filePath) -> String {
  source.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/") + "/fixtures/" + name
}

/// All bytes of a file.
func contents(_ path: String) throws -> [UInt8] {
  let file = try MappedFile(path: path)
  return file.withBytes(0..<file.count) { Array($0) }
}

/// The bytes of an integer, little-endian.
func bytes<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

/// The bytes of floats, little-endian.
func bytes(_ floats: [Float]) -> [UInt8] { floats.flatMap { bytes($0.bitPattern) } }

/// The bytes of text.
func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

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
