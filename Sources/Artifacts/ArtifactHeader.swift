import Tensors

/// The first 64 bytes of an `.lmz` file (`formats/lmz.md`, "Header").
struct ArtifactHeader: Equatable {
  /// Where the manifest's frame starts.
  var manifestOffset: Int
  /// Bytes of the manifest's frame.
  var packedLength: Int
  /// Bytes of the manifest's JSON.
  var rawLength: Int
  /// SHA-256 of the manifest's frame, in hexadecimal digits.
  var manifestHash: String

  static let size = 64
  static let magic: [UInt8] = [0x89, 0x4C, 0x4D, 0x5A, 0x0D, 0x0A, 0x1A, 0x0A]
  static let version: UInt32 = 1
  /// The longest manifest that is read (rule LMZ-4).
  static let maximumManifest = 64_000_000

  /// The bytes of the header.
  func encoded() -> [UInt8] {
    var bytes = Self.magic
    func append<T: FixedWidthInteger>(_ value: T) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
    append(Self.version)
    append(UInt32(0))
    append(UInt64(manifestOffset))
    append(UInt32(packedLength))
    append(UInt32(rawLength))
    var digits = Substring(manifestHash)
    while let byte = UInt8(digits.prefix(2), radix: 16) {
      bytes.append(byte)
      digits = digits.dropFirst(2)
    }
    return bytes
  }

  /// A header of these parts, for the writer.
  init(manifestOffset: Int, packedLength: Int, rawLength: Int, manifestHash: String) {
    self.manifestOffset = manifestOffset
    self.packedLength = packedLength
    self.rawLength = rawLength
    self.manifestHash = manifestHash
  }

  /// Reads and checks the header of `file` (rules LMZ-1 to LMZ-4).
  init(_ file: MappedFile) throws(LMToolError) {
    var reader = ByteReader(file, rule: "LMZ-1")
    guard file.count >= Self.size, try reader.bytes(8, "the magic") == Self.magic else {
      throw LMToolError(.badInput, "this is not an .lmz file, or its first bytes are damaged", file: file.path, rule: "LMZ-1")
    }
    let version = try reader.integer(UInt32.self, "the version")
    let flags = try reader.integer(UInt32.self, "the flags")
    guard version == Self.version, flags == 0 else {
      throw LMToolError(
        .badInput,
        "the version is \(version) and the flags are \(flags); this lmtool reads version 1 without flags, a newer one is needed",
        file: file.path, at: .offset(8), rule: "LMZ-2")
    }
    let offset = try reader.integer(UInt64.self, "the manifest's offset")
    let packed = try reader.integer(UInt32.self, "the manifest's packed length")
    let raw = try reader.integer(UInt32.self, "the manifest's raw length")
    guard let start = Int(exactly: offset), start >= Self.size, start <= file.count, file.count - start == Int(packed) else {
      throw LMToolError(
        .badInput,
        "the manifest should lie at \(offset) with \(packed) bytes and end the file, but the file has \(file.count) bytes; "
          + "it was cut, or something was appended", file: file.path, at: .offset(16), rule: "LMZ-3")
    }
    guard (1...Self.maximumManifest).contains(Int(raw)) else {
      throw LMToolError(
        .badInput, "the manifest's raw length is \(raw), not 1 to \(Self.maximumManifest)", file: file.path, at: .offset(28),
        rule: "LMZ-4")
    }
    manifestOffset = start
    packedLength = Int(packed)
    rawLength = Int(raw)
    let digits = Array("0123456789abcdef".utf8)
    let hash = try reader.bytes(32, "the manifest's hash").flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    manifestHash = String(decoding: hash, as: UTF8.self)
  }
}
