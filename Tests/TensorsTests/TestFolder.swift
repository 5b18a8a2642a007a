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
    var template = Array("/tmp/lmtool-tensors-XXXXXX".utf8CString)
    path = try #require(mkdtemp(&template).map { String(cString: $0) })
  }

  deinit {
    for name in entries(of: path) where unlink(path + "/" + name) != 0 {
      for inner in entries(of: path + "/" + name) { unlink(path + "/" + name + "/" + inner) }
      rmdir(path + "/" + name)
    }
    rmdir(path)
  }

  /// The names of the files and folders that are there.
  var names: [String] { entries(of: path) }

  /// Writes a file with plain C calls and returns its path.
  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let path = self.path + "/" + name
    let file = try #require(fopen(path, "w"))
    defer { fclose(file) }
    try #require(fwrite(bytes, 1, bytes.count, file) == bytes.count)
    return path
  }
}

/// The sorted names in a folder; none when there is no folder.
func entries(of path: String) -> [String] {
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

/// All bytes of a file.
func contents(_ path: String) throws -> [UInt8] {
  let file = try MappedFile(path: path)
  return file.withBytes(0..<file.count) { Array($0) }
}

/// The bytes of text.
func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Expects that `body` fails with `code`, and returns the error.
@discardableResult
func expectFailure(
  _ code: LMToolError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) -> LMToolError? {
  let error = #expect(throws: LMToolError.self, sourceLocation: sourceLocation, performing: body)
  #expect(error?.code == code, "\(error.map(String.init(describing:)) ?? "no error")", sourceLocation: sourceLocation)
  return error
}
