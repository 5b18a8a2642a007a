import Tensors
import TestSupport
import Testing

/// SHA-256 against the vectors of FIPS 180-4 and NIST.
struct DigestTests {
  static let vectors = [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ]
  /// Of a million times the letter a.
  static let million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

  @Test(arguments: vectors) func knownTextsHaveKnownDigests(text: String, digest: String) {
    #expect(Digest.hex(bytes(text)) == digest)
  }

  @Test func piecesAddUp() {
    var digest = Digest()
    let piece = [UInt8](repeating: UInt8(ascii: "a"), count: 1000)
    for _ in 0..<1000 { piece.withUnsafeBytes { digest.update($0) } }
    #expect(digest.hex() == Self.million)
    #expect(digest.hex() == Self.million, "asking does not end the digest")
  }

  @Test func aFileLargerThanOnePieceHasTheDigestOfItsBytes() throws {
    let folder = TestFolder()
    let content = (0..<(5 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let file = try MappedFile(path: try folder.write("a", content))
    #expect(Digest.hex(of: file) == Digest.hex(content))
    #expect(Digest.hex(of: try MappedFile(path: try folder.write("b", []))) == Self.vectors[0].1)
  }
}
