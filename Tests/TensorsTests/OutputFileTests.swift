import Tensors
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A file appears whole under its name or not at all.
struct OutputFileTests {
  @Test func appearsWithCommitAndNotBefore() throws {
    let folder = TestFolder()
    let output = try OutputFile(path: folder.path + "/a")
    try output.write(bytes("hello, "))
    try output.write(bytes("world"))
    #expect(folder.names == ["a.tmp"])
    #expect(output.count == 12)
    try output.commit()
    #expect(folder.names == ["a"])
    #expect(try contents(output.path) == bytes("hello, world"))
  }

  @Test func leavesNothingBehindWhenNotCommitted() throws {
    let folder = TestFolder()
    do {
      let output = try OutputFile(path: folder.path + "/a")
      try output.write(bytes("half"))
      #expect(folder.names == ["a.tmp"])
    }
    #expect(folder.names == [])
  }

  @Test func replacesAnExistingFileOnlyOnCommit() throws {
    let folder = TestFolder()
    let path = try folder.write("a", bytes("old"))
    do { try OutputFile(path: path).write(bytes("dropped")) }
    #expect(try contents(path) == bytes("old"))
    let output = try OutputFile(path: path)
    try output.write(bytes("new"))
    #expect(try contents(path) == bytes("old"))
    try output.commit()
    #expect(try contents(path) == bytes("new"))
  }

  @Test func overwritesAHeaderInPlace() throws {
    let folder = TestFolder()
    let output = try OutputFile(path: folder.path + "/a")
    try output.write(bytes("....body"))
    try output.overwrite(bytes("head"), at: 0)
    try output.overwrite(bytes("Y"), at: 7)
    try output.write(bytes("!"))
    try output.commit()
    #expect(try contents(output.path) == bytes("headbodY!"))
  }

  @Test func anEmptyFileIsAFile() throws {
    let folder = TestFolder()
    let output = try OutputFile(path: folder.path + "/a")
    try output.write([])
    try output.commit()
    #expect(try contents(output.path) == [])
  }

  @Test func aMissingFolderCannotTakeAFile() throws {
    let folder = TestFolder()
    let path = folder.path + "/missing/a"
    let error = expectFailure(.cannotCreate) { _ = try OutputFile(path: path) }
    #expect(error?.file == path)
  }

  @Test func aFolderOrADeviceIsNotReplaced() throws {
    let folder = TestFolder()
    let path = folder.path + "/taken"
    try #require(mkdir(path, 0o755) == 0)
    expectFailure(.cannotCreate) { _ = try OutputFile(path: path) }
    #expect(folder.names == ["taken"])
    expectFailure(.cannotCreate) { _ = try OutputFile(path: "/dev/null") }
    #expect(access("/dev/null.tmp", F_OK) != 0)
  }

  #if os(Linux)
    /// In a process of its own, since the limit is the process's.
    @Test func aFileThatMayNotGrowIsAnErrorOfOutput() async throws {
      let folder = TestFolder()
      await #expect(processExitsWith: .exitCode(7)) { [path = folder.path as String] in
        var limit = rlimit(rlim_cur: 4, rlim_max: 4)
        signal(SIGXFSZ, SIG_IGN)
        guard setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0 else { exit(1) }
        let output = try OutputFile(path: path + "/a")
        do throws(LMToolError) {
          try output.write(bytes("more than fits"))
        } catch {
          exit(error.code == .inputOutput && error.file == output.path && output.count == 0 ? 7 : 2)
        }
        exit(3)
      }
    }
  #endif
}
