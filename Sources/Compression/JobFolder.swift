import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A folder of one job, for what is worth keeping when the job is interrupted. Its file `job` says which one.
struct JobFolder {
  /// The folder.
  let path: String

  /// Opens or makes the folder at `path`, which may be there and empty, for a job that writes `output`. What a job that was killed left
  /// half written, there and beside the output, is removed.
  ///
  /// - Throws: `usage` when the folder belongs to another job, or is none of lmtool's; `cannotCreate`.
  init(path: String, job: String, output: String) throws(LMToolError) {
    self.path = path
    let job = job + "output \(output)\n"
    let note = path + "/job"
    if mkdir(path, 0o755) != 0 {
      guard errno == EEXIST else { throw LMToolError.system(.cannotCreate, "cannot create the work folder", file: path) }
      // An empty one may be what a job left that was killed before it had written anything.
      guard access(note, F_OK) == 0 || names.allSatisfy({ [".", ".."].contains($0) || $0.hasSuffix(".tmp") }) else {
        throw LMToolError(.usage, "it exists and is no work folder of lmtool; name another with --work-dir", file: path)
      }
    }
    if access(note, F_OK) == 0 {
      guard try Self.text(note) == job else {
        throw LMToolError(
          .usage, "this work folder belongs to another model, goal or set of options; remove it, or name another with --work-dir",
          file: path)
      }
      clear()
      removeTree(output + ".tmp")
    } else {
      clear()
      let file = try OutputFile(path: note)
      try file.write(Array(job.utf8))
      try file.commit()
    }
  }

  private func clear() { for name in names where name.hasSuffix(".tmp") { removeTree(path + "/" + name) } }

  /// The names of what is in it.
  var names: [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        })
    }
    return names
  }

  private static func text(_ path: String) throws(LMToolError) -> String {
    let file = try MappedFile(path: path)
    return file.withBytes(0..<file.count) { String(decoding: $0, as: UTF8.self) }
  }

  /// Removes the folder with everything in it: the job is done.
  func remove() { removeTree(path) }
}
