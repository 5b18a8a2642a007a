#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif
import Synchronization

/// A file that appears whole under its name or not at all: bytes go to `NAME.tmp` beside it, `commit` syncs and renames.
///
/// Not committed, it is removed when this object goes, when `PendingOutputs.removeAll` is called (Ctrl-C), or both.
public final class OutputFile {
  /// The final path.
  public let path: String
  /// Bytes written so far.
  public private(set) var count = 0
  private let temporary: String
  private var descriptor: Int32
  /// Whether the temporary file is there and ours to remove.
  private var isPending = false

  /// Creates `PATH.tmp`.
  ///
  /// - Parameters:
  ///   - mode: who may read and write the file.
  ///   - replaces: whether a file of that name may be there already.
  /// - Throws: `cannotCreate` when the folder is missing or not writable, when `PATH.tmp` exists already, or when `path` is a
  ///   folder or a device, which the rename would put out of the way.
  public init(path: String, mode: UInt32 = 0o644, replaces: Bool = true) throws(LMToolError) {
    var status = stat()
    let isThere = stat(path, &status) == 0
    guard !isThere || status.st_mode & S_IFMT == S_IFREG else {
      throw LMToolError(.cannotCreate, "it exists and is not a regular file; name another output", file: path)
    }
    guard !isThere || replaces else {
      throw LMToolError(.cannotCreate, "it exists, and is not replaced; name another output", file: path)
    }
    self.path = path
    temporary = path + ".tmp"
    descriptor = PendingOutputs.create(temporary) { open($0, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(mode)) }
    guard descriptor >= 0 else { throw LMToolError.creating(path, "cannot create the file", temporary: temporary) }
    isPending = true
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if isPending {
      unlink(temporary)
      PendingOutputs.remove(temporary)
    }
  }

  /// Appends bytes.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(LMToolError) {
    try write(bytes) { [descriptor] base, size, _ in Self.system.write(descriptor, base, size) }
    count += bytes.count
  }

  /// Appends bytes.
  public func write(_ bytes: [UInt8]) throws(LMToolError) {
    try bytes.withUnsafeBytesTyped { (buffer) throws(LMToolError) in try write(buffer) }
  }

  /// Overwrites bytes that were written before, at `offset`: for headers that hold what is known only at the end.
  public func overwrite(_ bytes: [UInt8], at offset: Int) throws(LMToolError) {
    precondition(offset >= 0 && offset + bytes.count <= count, "overwrites only what was written")
    try bytes.withUnsafeBytesTyped { (buffer) throws(LMToolError) in
      try write(buffer) { [descriptor] base, size, done in pwrite(descriptor, base, size, off_t(offset + done)) }
    }
  }

  private func write(
    _ bytes: UnsafeRawBufferPointer, by call: (UnsafeRawPointer, Int, Int) -> Int
  ) throws(LMToolError) {
    var done = 0
    while done < bytes.count, let base = bytes.baseAddress {
      let written = call(base + done, bytes.count - done, done)
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else {
        throw LMToolError.system(
          .inputOutput, "writing stopped and nothing was left behind; free space, or choose another place", file: path)
      }
      done += written
    }
  }

  /// Makes the file durable and gives it its final name.
  public func commit() throws(LMToolError) {
    guard fsync(descriptor) == 0 else { throw LMToolError.system(.inputOutput, "cannot write to disk", file: path) }
    let closed = close(descriptor)
    descriptor = -1
    guard closed == 0, PendingOutputs.commit(temporary, as: path) else {
      throw LMToolError.system(.cannotCreate, "cannot give the file its final name", file: path)
    }
    isPending = false
  }

  /// `write(2)`, out of the way of the method of that name.
  private enum system {
    static func write(_ descriptor: Int32, _ base: UnsafeRawPointer, _ size: Int) -> Int {
      #if canImport(Glibc)
        Glibc.write(descriptor, base, size)
      #else
        Darwin.write(descriptor, base, size)
      #endif
    }
  }
}

extension Array where Element == UInt8 {
  /// `withUnsafeBytes` with a typed error.
  public func withUnsafeBytesTyped<Result>(
    _ body: (UnsafeRawBufferPointer) throws(LMToolError) -> Result
  ) throws(LMToolError) -> Result {
    var outcome: Swift.Result<Result, LMToolError>?
    withUnsafeBytes { buffer in
      do throws(LMToolError) { outcome = .success(try body(buffer)) } catch { outcome = .failure(error) }
    }
    guard let outcome else { throw LMToolError(.bug, "withUnsafeBytes did not call its body") }
    return try outcome.get()
  }
}

extension LMToolError {
  /// The error for an output whose temporary form could not be created, by `errno`.
  static func creating(_ path: String, _ message: String, temporary: String) -> LMToolError {
    guard errno == EEXIST else { return system(.cannotCreate, message, file: path) }
    return LMToolError(
      .cannotCreate, "\(temporary.printable) is in the way, perhaps from a run that was killed; remove it and try again",
      file: path)
  }
}

/// The temporary files and folders that exist now, so that an interrupt can remove them before the process ends.
public enum PendingOutputs {
  private struct State {
    var paths: Set<String> = []
    /// Set by `removeAll`: the process is about to end, and nothing may appear or get its final name any more.
    var isOver = false
  }

  private static let state = Mutex(State())

  static func insert(_ path: String) { change { _ = $0.insert(path) } }
  static func remove(_ path: String) { change { _ = $0.remove(path) } }

  /// Creates `path` by `call` and lists it in one step, so that an interrupt between the two cannot overlook it.
  ///
  /// - Returns: what `call` returned; below zero, nothing was created.
  static func create(_ path: String, by call: (String) -> Int32) -> Int32 {
    change { paths in
      let result = call(path)
      if result >= 0 { paths.insert(path) }
      return result
    }
  }

  /// Renames a listed file or folder and takes it off the list in one step, so that an interrupt cannot empty what has its
  /// final name; false when the rename failed.
  static func commit(_ temporary: String, as path: String) -> Bool {
    change { paths in
      guard rename(temporary, path) == 0 else { return false }
      paths.remove(temporary)
      return true
    }
  }

  /// Changes the list; once `removeAll` was called, waits for the end of the process instead.
  private static func change<Result>(_ body: (inout Set<String>) -> Result) -> Result {
    while true {
      let result = state.withLock { state in state.isOver ? nil : body(&state.paths) }
      if let result { return result }
      pause()
    }
  }

  /// Removes every pending file and folder. Called once, by the thread that waits for signals, which then ends the process.
  public static func removeAll() {
    let paths = state.withLock { state in
      state.isOver = true
      return state.paths
    }
    for path in paths { removeTree(path) }
  }
}

/// Removes a file, or a folder with the files in it; what is not there is no error.
public func removeTree(_ path: String) {
  if unlink(path) == 0 { return }
  guard let folder = opendir(path) else { return }
  while let entry = readdir(folder) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name != "." && name != ".." { removeTree(path + "/" + name) }
  }
  closedir(folder)
  rmdir(path)
}
