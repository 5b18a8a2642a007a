import Tensors
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What a command printed and how it ended.
struct Outcome {
  let output: String
  let error: String
  let status: Int32

  /// Runs `lmtool` to its end.
  init(_ arguments: String...) throws {
    let process = try LMToolProcess(arguments: arguments)
    output = process.readOutput()
    error = process.readError()
    status = process.exitStatus()
  }

  /// The report of a command with `--json`.
  var report: [String: JSONValue] {
    get throws {
      let value = try Array(output.utf8).withUnsafeBytesTyped { (bytes) throws(LMToolError) in
        try decodeJSON(JSONValue.self, bytes: bytes)
      }
      return try #require(value.object)
    }
  }

  /// Whether it failed with this status and one line on standard error that contains every one of `parts`.
  func failed(_ status: Int32, _ parts: String...) -> Bool {
    let isOneLine = error.hasPrefix("lmtool: error: ") && error.split(separator: "\n").count == 1
    return self.status == status && isOneLine && parts.allSatisfy { error.contains($0) } && output.isEmpty
  }
}

/// The path of a file or folder of `fixtures`.
func fixture(_ name: String) -> String {
  let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
  return parts.dropLast(3).joined(separator: "/") + "/fixtures/" + name
}

/// The small model of the repository, in the Hugging Face layout.
let stories = fixture("stories260K")

/// A folder of its own for one test, removed with everything in it.
final class Scratch {
  let path: String

  init() {
    var template = Array("/tmp/lmtool-commands-XXXXXX".utf8CString)
    path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
  }

  deinit { Self.remove(path) }

  /// The path of something in the folder.
  func path(_ name: String) -> String { path + "/" + name }

  /// Writes a file and returns its path.
  @discardableResult func write(_ bytes: [UInt8], _ name: String) throws(LMToolError) -> String {
    let file = try OutputFile(path: path(name))
    try file.write(bytes)
    try file.commit()
    return file.path
  }

  /// What is in the folder, sorted.
  var names: [String] { Self.names(path) }

  static func names(_ folder: String) -> [String] {
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

  private static func remove(_ path: String) {
    for name in names(path) { remove(path + "/" + name) }
    if unlink(path) != 0 { rmdir(path) }
  }
}

/// The bytes of a file.
func bytes(_ path: String) throws(LMToolError) -> [UInt8] {
  let file = try MappedFile(path: path)
  return file.withBytes(0..<file.count) { Array($0) }
}
