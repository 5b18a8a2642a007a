import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Files that are written again for every input; in memory where the system has such a place.
public final class FuzzFile: Sendable {
  private let path: String

  /// Files of this process.
  public init() {
    let folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
    path = "\(folder)/lmtool-fuzz-\(getpid())-\(UInt64.random(in: 0 ... .max))"
  }

  deinit {
    unlink(path)
    for name in Self.adapterNames { unlink("\(path).d/\(name)") }
    rmdir(path + ".d")
  }

  /// Writes a new file of `bytes` and returns its path: maps of the one before stay as they are.
  func write(_ bytes: [UInt8]) throws(LMToolError) -> String {
    try Self.write(bytes, to: path)
    return path
  }

  private static let adapterNames = ["adapter_config.json", "adapter_model.safetensors"]

  /// Writes the two files of an adapter and returns their folder.
  func write(adapter config: [UInt8], _ tensors: [UInt8]) throws(LMToolError) -> String {
    let folder = path + ".d"
    mkdir(folder, 0o700)
    for (name, bytes) in zip(Self.adapterNames, [config, tensors]) { try Self.write(bytes, to: folder + "/" + name) }
    return folder
  }

  /// Writes a new file at `path`.
  static func write(_ bytes: [UInt8], to path: String) throws(LMToolError) {
    unlink(path)
    guard let file = fopen(path, "w") else { throw LMToolError(.cannotCreate, "no file for the input", file: path) }
    let written = fwrite(bytes, 1, bytes.count, file)
    guard fclose(file) == 0, written == bytes.count else { throw LMToolError(.inputOutput, "no room for the input", file: path) }
  }
}
