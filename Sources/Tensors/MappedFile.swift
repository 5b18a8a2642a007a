#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A file mapped read-only into memory. The map is private and lives as long as this object.
///
/// A file that another process truncates while it is mapped raises SIGBUS on access; there is no portable defence.
public final class MappedFile: Sendable {
  /// The path it was opened by.
  public let path: String
  /// The size in bytes at the time of opening.
  public let count: Int
  private nonisolated(unsafe) let base: UnsafeRawPointer?

  /// Maps the regular file at `path`.
  ///
  /// - Throws: `missingInput` when there is none, `badInput` when it is a folder or a device, `inputOutput` otherwise.
  public init(path: String) throws(LMToolError) {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer.
    let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { throw LMToolError.opening(path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw LMToolError.opening(path) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw LMToolError(.badInput, "this is not a regular file; name a model file or a model directory", file: path)
    }
    self.path = path
    count = Int(status.st_size)
    guard count > 0 else {
      base = nil
      return
    }
    guard let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
      throw LMToolError.system(.inputOutput, "cannot map the file into memory", file: path)
    }
    base = UnsafeRawPointer(address)
  }

  deinit {
    if let base { munmap(UnsafeMutableRawPointer(mutating: base), count) }
  }

  /// Calls `body` with the bytes of `range`.
  ///
  /// - Precondition: `range` lies within the file. Readers check their offsets when they open it.
  public func withBytes<Result, Failure: Error>(
    _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "range outside the file")
    return try body(UnsafeRawBufferPointer(start: base.map { $0 + range.lowerBound }, count: range.count))
  }

  /// Tells the kernel that the pages of `range` are no longer needed, so that streaming through a file larger than
  /// memory does not count against the process.
  public func discard(_ range: Range<Int>) {
    let page = Int(getpagesize())
    let start = range.lowerBound / page * page
    guard let base, start < range.upperBound else { return }
    madvise(UnsafeMutableRawPointer(mutating: base + start), range.upperBound - start, MADV_DONTNEED)
  }
}

extension LMToolError {
  /// An error that ends with what the operating system says of `errno`.
  public static func system(_ code: Code, _ message: String, file: String) -> LMToolError {
    LMToolError(code, "\(message): \(String(cString: strerror(errno)))", file: file)
  }

  /// The error for a file that could not be opened for reading, by `errno`.
  static func opening(_ path: String) -> LMToolError {
    switch errno {
    case ENOENT, ENOTDIR:
      LMToolError(.missingInput, "there is no such file", file: path)
    case EACCES, EPERM:
      LMToolError(.inputOutput, "permission denied; make the file readable (chmod +r) and try again", file: path)
    default:
      system(.inputOutput, "cannot open the file", file: path)
    }
  }
}
