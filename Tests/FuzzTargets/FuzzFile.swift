import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A file that is written again for every input; in memory where the system has such a place.
public final class FuzzFile: Sendable {
  private let path: String

  /// A file of this process.
  public init() {
    let folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
    path = "\(folder)/lmtool-fuzz-\(getpid())-\(UInt64.random(in: 0 ... .max))"
  }

  deinit { unlink(path) }

  /// Writes a new file of `bytes` and returns its path: maps of the one before stay as they are.
  func write(_ bytes: [UInt8]) throws(LMToolError) -> String {
    unlink(path)
    guard let file = fopen(path, "w") else { throw LMToolError(.cannotCreate, "no file for the input", file: path) }
    let written = fwrite(bytes, 1, bytes.count, file)
    guard fclose(file) == 0, written == bytes.count else { throw LMToolError(.inputOutput, "no room for the input", file: path) }
    return path
  }
}
