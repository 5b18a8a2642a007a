import Crypto

/// SHA-256, fed in pieces.
public struct Digest: Sendable {
  private var hasher = SHA256()

  /// An empty digest.
  public init() {}

  /// Adds bytes.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) { hasher.update(bufferPointer: bytes) }

  /// The 64 hexadecimal digits of the digest of all bytes added so far.
  public func hex() -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: hasher.finalize().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// The digest of `bytes`, in hexadecimal digits.
  public static func hex(_ bytes: [UInt8]) -> String {
    var digest = Digest()
    bytes.withUnsafeBytes { digest.update($0) }
    return digest.hex()
  }

  /// The digest of a whole file, read in pieces of 4 MiB.
  public static func hex(of file: MappedFile) -> String {
    var digest = Digest()
    for start in stride(from: 0, to: file.count, by: 4 << 20) {
      let range = start..<min(start + 4 << 20, file.count)
      file.withBytes(range) { digest.update($0) }
      file.discard(range)
    }
    return digest.hex()
  }
}
