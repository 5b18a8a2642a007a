#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A folder for intermediate files beside an output, removed with everything in it when this object goes or on Ctrl-C.
public final class WorkFolder {
  /// The folder's path; it exists and is empty.
  public let path: String

  /// Creates the work folder `OUTPUT.work` of the output `path`.
  ///
  /// - Throws: `cannotCreate` when it exists already or cannot be made.
  public init(beside path: String) throws(LMToolError) {
    let work = path + ".work"
    guard PendingOutputs.create(work, by: { mkdir($0, 0o755) }) == 0 else {
      throw LMToolError.creating(path, "cannot create a work folder", temporary: work)
    }
    self.path = work
  }

  deinit {
    removeTree(path)
    PendingOutputs.remove(path)
  }
}
