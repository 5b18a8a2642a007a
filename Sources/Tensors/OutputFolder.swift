#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A folder that appears whole under its name or not at all: files are written into `NAME.tmp/`, `commit` renames it.
public final class OutputFolder {
  /// The final path.
  public let path: String
  /// Where files are written until `commit`.
  public let temporary: String
  /// Whether the temporary folder is there and ours to remove.
  private var isPending = false

  /// Creates `PATH.tmp/`.
  ///
  /// - Throws: `cannotCreate` when `path` or `PATH.tmp` exists already or the folder cannot be made.
  public init(path: String) throws(LMToolError) {
    var path = path
    while path.count > 1 && path.hasSuffix("/") { path.removeLast() }
    self.path = path
    temporary = self.path + ".tmp"
    guard access(self.path, F_OK) != 0 else {
      throw LMToolError(.cannotCreate, "it exists already; name another folder or remove this one first", file: path)
    }
    guard PendingOutputs.create(temporary, by: { mkdir($0, 0o755) }) == 0 else {
      throw LMToolError.creating(path, "cannot create the folder", temporary: temporary)
    }
    isPending = true
  }

  deinit {
    if isPending {
      removeTree(temporary)
      PendingOutputs.remove(temporary)
    }
  }

  /// The path at which to write the file `name` of the folder.
  public func path(of name: String) -> String { temporary + "/" + name }

  /// Gives the folder its final name.
  public func commit() throws(LMToolError) {
    guard PendingOutputs.commit(temporary, as: path) else {
      throw LMToolError.system(.cannotCreate, "cannot give the folder its final name", file: path)
    }
    isPending = false
  }
}
