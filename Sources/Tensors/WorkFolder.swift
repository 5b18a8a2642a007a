/// A folder for intermediate files beside an output, removed with everything in it when this object goes or on Ctrl-C.
/// One that a crash left behind is removed first.
public final class WorkFolder {
  /// The folder's path; it does not exist until someone makes it.
  public let path: String

  /// A work folder for the output `path`.
  public init(beside path: String) {
    self.path = path + ".work"
    removeTree(self.path)
    PendingOutputs.insert(self.path)
  }

  deinit {
    removeTree(path)
    PendingOutputs.remove(path)
  }
}
