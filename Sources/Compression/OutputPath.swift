import Models
import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Where a stage writes. Refused before any work is done, when writing there would destroy what is read or cannot succeed.
public enum OutputPath {
  /// Refuses an output that is a file of `source`, whose temporary name is one, or whose folder is missing.
  ///
  /// A file is known by its device and number, so links and other spellings of a path do not hide it.
  ///
  /// - Throws: `usage` when the output would replace or remove the input, `cannotCreate` when there is no folder for it.
  public static func check(_ path: String, against source: ModelSource) throws(LMToolError) {
    let path = trimmed(path)
    guard !path.isEmpty else { throw LMToolError(.usage, "the name of the output is empty; name a file or folder after -o") }
    let folder = parent(of: path)
    guard Identity(folder) != nil else {
      throw LMToolError(.cannotCreate, "the folder \(folder.printable) does not exist; make it first", file: path)
    }
    var inputs = Set<Identity>()
    for file in source.files {
      for input in [file.path, parent(of: file.path)] { if let identity = Identity(input) { inputs.insert(identity) } }
    }
    let sources = Set(source.files.compactMap { Identity($0.path) })
    if let output = Identity(path), sources.contains(output) {
      throw LMToolError(.usage, "the output is the input itself; name another output", file: path)
    }
    for suffix in [".tmp", ".work", ".work.tmp"] {
      guard let temporary = Identity(path + suffix), inputs.contains(temporary) else { continue }
      throw LMToolError(
        .usage, "writing it needs the temporary name \((path + suffix).printable), which is the input; name another output",
        file: path)
    }
  }

  private static func trimmed(_ path: String) -> String {
    var path = Substring(path)
    while path.count > 1, path.hasSuffix("/") { path = path.dropLast() }
    return String(path)
  }

  private static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// What a path leads to, whatever the path is called.
  private struct Identity: Hashable {
    let device: UInt64
    let number: UInt64

    /// nil when there is nothing.
    init?(_ path: String) {
      var status = stat()
      guard stat(path, &status) == 0 else { return nil }
      device = UInt64(truncatingIfNeeded: status.st_dev)
      number = UInt64(truncatingIfNeeded: status.st_ino)
    }
  }
}
