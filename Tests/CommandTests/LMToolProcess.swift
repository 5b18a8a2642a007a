import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The built program, running, with pipes to its standard streams.
final class LMToolProcess {
  private let pid: pid_t
  private let input: Int32
  private let output: Int32
  private let error: Int32
  private var status: Int32?

  /// Starts `lmtool` with these arguments.
  convenience init(_ arguments: String...) throws { try self.init(arguments: arguments) }

  /// Starts `lmtool` with these arguments; a `shell` line, if one is given, prepares for it and then runs "$0" "$@".
  init(arguments: [String], shell: String? = nil) throws {
    let path = try #require(Self.path, "the built program is not beside the tests")
    let ends = [try Self.pipe(), try Self.pipe(), try Self.pipe()]
    let child = [ends[0].reading, ends[1].writing, ends[2].writing]
    (input, output, error) = (ends[0].writing, ends[1].reading, ends[2].reading)
    let words = (shell.map { ["/bin/sh", "-c", $0] } ?? []) + [path] + arguments
    pid = try Self.spawn(words, streams: child)
    for descriptor in child { close(descriptor) }
  }

  deinit {
    if status == nil { kill(pid, SIGKILL) }
    _ = exitStatus()
    for descriptor in [input, output, error] { close(descriptor) }
  }

  /// Types a line.
  func type(_ line: String) { _ = Array((line + "\n").utf8).withUnsafeBytes { write(input, $0.baseAddress, $0.count) } }

  /// Sends a signal.
  func signal(_ number: Int32) { kill(pid, number) }

  /// Standard output up to and with the first newline, or its end.
  func readLine() -> String {
    var bytes: [UInt8] = []
    while bytes.last != UInt8(ascii: "\n"), let byte = Self.read(output, count: 1).first { bytes.append(byte) }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// What is left of standard output.
  func readOutput() -> String { Self.readAll(output) }

  /// What is left of standard error.
  func readError() -> String { Self.readAll(error) }

  /// Waits for the end; the exit status, or 1000 + the signal that killed it.
  func exitStatus() -> Int32 {
    if let status { return status }
    var word: Int32 = 0
    while waitpid(pid, &word, 0) < 0 && errno == EINTR {}
    let ended = word & 0x7F == 0 ? (word >> 8) & 0xFF : 1000 + (word & 0x7F)
    status = ended
    return ended
  }

  /// The folder of the test bundle has the program too.
  private static var path: String? {
    for argument in CommandLine.arguments {
      let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
      guard let bundle = parts.firstIndex(where: { $0.hasSuffix(".xctest") }) else { continue }
      let program = (parts[..<bundle] + ["lmtool"]).joined(separator: "/")
      if access(program, X_OK) == 0 { return program }
    }
    return nil
  }

  private static func pipe() throws -> (reading: Int32, writing: Int32) {
    var ends: [Int32] = [-1, -1]
    #if canImport(Glibc)
      try #require(Glibc.pipe(&ends) == 0)
    #else
      try #require(Darwin.pipe(&ends) == 0)
    #endif
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }

  private static func spawn(_ words: [String], streams: [Int32]) throws -> pid_t {
    #if canImport(Glibc)
      var actions = posix_spawn_file_actions_t()
    #else
      var actions: posix_spawn_file_actions_t?
    #endif
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (target, descriptor) in streams.enumerated() { posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(target)) }
    let copies = words.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    var pid: pid_t = 0
    try #require(posix_spawn(&pid, words[0], &actions, nil, copies + [nil], environ) == 0)
    return pid
  }

  private static func read(_ descriptor: Int32, count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, size in
      #if canImport(Glibc)
        size = max(0, Glibc.read(descriptor, buffer.baseAddress, count))
      #else
        size = max(0, Darwin.read(descriptor, buffer.baseAddress, count))
      #endif
    }
  }

  private static func readAll(_ descriptor: Int32) -> String {
    var bytes: [UInt8] = []
    while true {
      let piece = read(descriptor, count: 4096)
      if piece.isEmpty { return String(decoding: bytes, as: UTF8.self) }
      bytes += piece
    }
  }
}
