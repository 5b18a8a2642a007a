import Tensors
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What can be opened, and what is said of what cannot.
struct MappedFileTests {
  @Test func bytesAreThoseOfTheFile() throws {
    let folder = TestFolder()
    let file = try MappedFile(path: try folder.write("a", [1, 2, 3, 4]))
    #expect(file.count == 4)
    #expect(file.withBytes(1..<3) { Array($0) } == [2, 3])
    file.discard(0..<4)
    #expect(file.withBytes(0..<4) { Array($0) } == [1, 2, 3, 4])
  }

  @Test func anEmptyFileHasNoBytes() throws {
    let folder = TestFolder()
    let file = try MappedFile(path: try folder.write("a", []))
    #expect(file.count == 0)
    #expect(file.withBytes(0..<0) { $0.count } == 0)
    file.discard(0..<0)
  }

  @Test func aMissingFileIsMissing() throws {
    let folder = TestFolder()
    let path = folder.path + "/missing"
    #expect(expectFailure(.missingInput) { _ = try MappedFile(path: path) }?.file == path)
    let file = try folder.write("a", [1])
    expectFailure(.missingInput) { _ = try MappedFile(path: file + "/b") }
  }

  @Test func foldersDevicesAndPipesAreNoModels() throws {
    let folder = TestFolder()
    let pipe = folder.path + "/pipe"
    try #require(mkfifo(pipe, 0o644) == 0)
    for path in [folder.path, "/dev/null", pipe] {
      expectFailure(.badInput) { _ = try MappedFile(path: path) }
    }
  }

  /// In a process of its own, which gives up the rights of root first.
  @Test func permissionDeniedSaysWhatToDo() async throws {
    let folder = TestFolder()
    let path = try folder.write("a", [1])
    try #require(chmod(path, 0) == 0)
    await #expect(processExitsWith: .exitCode(7)) { [path = path as String] in
      if geteuid() == 0 { setuid(65534) }
      let error = expectFailure(.inputOutput) { _ = try MappedFile(path: path) }
      exit(error?.message.contains("chmod +r") == true ? 7 : 1)
    }
  }
}
