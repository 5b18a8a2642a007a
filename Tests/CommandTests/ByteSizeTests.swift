import Tensors
import Testing
import lmtool

@Test(
  arguments: [
    ("123456", 123_456), ("1 B", 1), ("500kB", 500_000), ("500 KB", 500_000), ("40MB", 40_000_000), ("40 mb", 40_000_000),
    ("1GB", 1_000_000_000), ("1k", 1000), ("0.5M", 500_000), ("1KiB", 1024), ("38.1MiB", 39_950_746), ("4.35MB", 4_350_000),
    ("2TiB", 2_199_023_255_552),
  ])
func sizesAreReadInDecimalAndBinaryUnits(text: String, bytes: Int) throws {
  #expect(try ByteSize(parsing: text).bytes == bytes)
}

@Test(arguments: ["", "MB", "40XB", "-1MB", "1.2.3MB", "0x10", "1e6", "nan", "inf", "40MB ", " 40MB", "4 0MB", ".", "٤MB"])
func whatIsNoSizeIsRefusedWithTheWayToWriteOne(text: String) {
  let error = #expect(throws: LMToolError.self) { try ByteSize(parsing: text) }
  #expect(error?.code == .usage)
  #expect(error?.message.contains("such as 40MB") == true)
  #expect(ByteSize(argument: text) == nil)
}

@Test(arguments: ["0", "0.0MB", "0.4", "99999999999TB", String(repeating: "9", count: 400)])
func sizesOutOfBoundsAreRefused(text: String) {
  let error = #expect(throws: LMToolError.self) { try ByteSize(parsing: text) }
  #expect(error?.message.contains("out of bounds") == true)
}

@Test(
  arguments: [
    (1, "1 B"), (999, "999 B"), (1000, "1.0 kB"), (1250, "1.2 kB"), (78_299_999, "78.3 MB"), (999_949_999, "999.9 MB"),
    (999_950_000, "1.0 GB"), (1 << 53, "9.0 PB"),
  ])
func sizesAreShownToATenth(bytes: Int, text: String) {
  #expect(ByteSize(bytes).description == text)
}
