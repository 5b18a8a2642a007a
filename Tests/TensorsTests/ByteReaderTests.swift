import Tensors
import TestSupport
import Testing

/// Every length is checked before it is used.
struct ByteReaderTests {
  private func reader(_ bytes: [UInt8], range: Range<Int>? = nil) throws -> ByteReader {
    let folder = TestFolder()
    return ByteReader(try MappedFile(path: try folder.write("a", bytes)), range: range, rule: "TEST-1")
  }

  @Test func integersAreLittleEndianAndNeedNoAlignment() throws {
    var reader = try reader([9, 0x34, 0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0x80, 0x3F])
    #expect(try reader.integer(UInt8.self, "a byte") == 9)
    #expect(try reader.integer(UInt16.self, "a word") == 0x1234)
    #expect(try reader.integer(Int32.self, "a number") == -1)
    #expect(try reader.float("a float") == 1)
    #expect(reader.remaining == 0)
  }

  @Test func aReadPastTheEndNamesOffsetAndRule() throws {
    var reader = try reader([1, 2, 3, 4, 5])
    #expect(try reader.bytes(2, "the magic") == [1, 2])
    let error = expectFailure(.badInput) { _ = try reader.integer(UInt32.self, "the version") }
    #expect(error?.place == .offset(2))
    #expect(error?.rule == "TEST-1")
    #expect(error?.file == reader.file.path)
    #expect(error?.message.contains("the version needs 4 bytes but 3 are left") == true)
    #expect(reader.offset == 2)
  }

  @Test(arguments: [-1, 6, Int.max, Int.min]) func impossibleLengthsAreRefused(count: Int) throws {
    var reader = try reader([1, 2, 3, 4, 5])
    expectFailure(.badInput) { _ = try reader.take(count, "a name") }
    #expect(try reader.take(5, "everything") == 0..<5)
    #expect(try reader.take(0, "nothing") == 5..<5)
  }

  @Test func aRangeEndsWhereItEnds() throws {
    var reader = try reader([1, 2, 3, 4, 5], range: 1..<3)
    #expect(try reader.bytes(2, "two") == [2, 3])
    let error = expectFailure(.badInput) { _ = try reader.take(1, "a third") }
    #expect(error?.place == .offset(3))
  }
}
