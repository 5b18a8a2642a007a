import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A temporary folder for the files of one test, removed with everything in it when this object goes.
///
/// It reads and writes by plain C calls, so that it can test the rooms that do the same.
public final class TestFolder {
  /// The absolute path, without a final slash.
  public let path: String

  /// Makes an empty folder; ends the process when there is no place for one.
  public init() {
    var template = Array(("/tmp/lmtool-test-" + String(repeating: "X", count: 6)).utf8CString)
    let made = template.withUnsafeMutableBufferPointer { $0.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } }
    guard let made else { fatalError("no folder can be made in /tmp: \(String(cString: strerror(errno)))") }
    path = made
  }

  deinit { Self.remove(path) }

  /// The path of something in the folder.
  public func path(_ name: String) -> String { path + "/" + name }

  /// The names of what is in the folder, sorted.
  public var names: [String] { Self.names(in: path) }

  /// Writes a file and returns its path. An earlier file of that name goes first, so that mappings of it stay as they are.
  ///
  /// - Throws: `cannotCreate`, `inputOutput`.
  @discardableResult
  public func write(_ name: String, _ bytes: [UInt8]) throws(LMToolError) -> String {
    let path = self.path(name)
    unlink(path)
    guard let file = fopen(path, "w") else { throw LMToolError(.cannotCreate, "the test cannot create its file", file: path) }
    let written = fwrite(bytes, 1, bytes.count, file)
    guard fclose(file) == 0, written == bytes.count else {
      throw LMToolError(.inputOutput, "the test cannot write its file", file: path)
    }
    return path
  }

  /// Writes a text file and returns its path.
  ///
  /// - Throws: `cannotCreate`, `inputOutput`.
  @discardableResult
  public func write(_ name: String, _ text: String) throws(LMToolError) -> String { try write(name, Array(text.utf8)) }

  /// The sorted names of what is in any folder; none when there is no folder.
  public static func names(in folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// A link goes; what it leads to stays.
  private static func remove(_ path: String) {
    if unlink(path) == 0 { return }
    for name in names(in: path) { remove(path + "/" + name) }
    rmdir(path)
  }
}
