import Tensors
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A folder appears whole or not at all; work folders never stay; an interrupt removes both.
struct OutputFolderTests {
  private func add(_ name: String, to output: OutputFolder) throws {
    let file = try OutputFile(path: output.path(of: name))
    try file.write(bytes(name))
    try file.commit()
  }

  @Test func appearsWithCommit() throws {
    let folder = TestFolder()
    let output = try OutputFolder(path: folder.path + "/model")
    try add("config.json", to: output)
    #expect(folder.names == ["model.tmp"])
    try output.commit()
    #expect(folder.names == ["model"])
    #expect(TestFolder.names(in: output.path) == ["config.json"])
  }

  @Test func leavesNothingBehindWhenDropped() throws {
    let folder = TestFolder()
    do { try add("config.json", to: try OutputFolder(path: folder.path + "/model")) }
    #expect(folder.names == [])
  }

  @Test func refusesWhatExists() throws {
    let folder = TestFolder()
    try #require(mkdir(folder.path + "/model", 0o755) == 0)
    expectFailure(.cannotCreate) { _ = try OutputFolder(path: folder.path + "/model") }
    let file = try folder.write("file", bytes("mine"))
    expectFailure(.cannotCreate) { _ = try OutputFolder(path: file) }
    #expect(folder.names == ["file", "model"])
    #expect(try contents(file) == bytes("mine"))
  }

  @Test func aMissingParentCannotTakeAFolder() throws {
    let folder = TestFolder()
    expectFailure(.cannotCreate) { _ = try OutputFolder(path: folder.path + "/missing/model") }
  }

  @Test(arguments: ["/model/", "/model//"]) func slashesAtTheEndAreNoPartOfTheName(suffix: String) throws {
    let folder = TestFolder()
    let output = try OutputFolder(path: folder.path + suffix)
    try output.commit()
    #expect(folder.names == ["model"])
    #expect(output.path == folder.path + "/model")
  }

  @Test func whatIsInTheWayIsNeitherUsedNorRemoved() throws {
    let folder = TestFolder()
    for name in ["model.tmp", "file.work"] { try #require(mkdir(folder.path + "/" + name, 0o755) == 0) }
    try folder.write("file.tmp", bytes("mine"))
    let errors = [
      expectFailure(.cannotCreate) { _ = try OutputFolder(path: folder.path + "/model") },
      expectFailure(.cannotCreate) { _ = try OutputFile(path: folder.path + "/file") },
      expectFailure(.cannotCreate) { _ = try WorkFolder(beside: folder.path + "/file") },
    ]
    for error in errors { #expect(error?.message.contains("in the way") == true) }
    #expect(folder.names == ["file.tmp", "file.work", "model.tmp"])
  }

  @Test func aWorkFolderGoesWithItsFiles() throws {
    let folder = TestFolder()
    do {
      let work = try WorkFolder(beside: folder.path + "/model")
      #expect(folder.names == ["model.work"])
      try folder.write("model.work/part", bytes("part"))
      withExtendedLifetime(work) {}
    }
    #expect(folder.names == [])
  }

  /// In a process of its own, since the pending files of all tests are one set.
  @Test func anInterruptRemovesEverythingPending() async throws {
    let folder = TestFolder()
    try folder.write("finished", bytes("stays"))
    await #expect(processExitsWith: .exitCode(7)) { [path = folder.path as String] in
      let file = try OutputFile(path: path + "/a")
      let output = try OutputFolder(path: path + "/model")
      let inner = try OutputFile(path: output.path(of: "weights"))
      let work = try WorkFolder(beside: path + "/b")
      guard TestFolder.names(in: path) == ["a.tmp", "b.work", "finished", "model.tmp"] else { exit(1) }
      PendingOutputs.removeAll()
      guard TestFolder.names(in: path) == ["finished"] else { exit(2) }
      withExtendedLifetime((file, output, inner, work)) {}
      exit(7)
    }
    #expect(folder.names == ["finished"])
  }
}
