import Crypto
import FoundationEssentials
import Tensors

/// Keys that artifacts are signed with: Ed25519 (RFC 8032), in files as OpenSSL writes them (RFC 8410).
public enum SigningKey {
  /// The key that signs.
  public struct Private: Sendable {
    private let key: Curve25519.Signing.PrivateKey

    /// A new key, from the random numbers of the system.
    public init() { key = Curve25519.Signing.PrivateKey() }

    /// Reads a PEM file of PKCS #8.
    ///
    /// - Throws: `badInput` when it holds anything else than one private key of Ed25519.
    public init(file path: String) throws(LMToolError) {
      let pem = try PEM(file: path)
      guard let bytes = pem.key(Self.label, prefix: Self.prefix),
        let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: bytes)
      else {
        throw LMToolError(
          .badInput,
          "it holds no private key of Ed25519; lmtool sign --make-key, or openssl genpkey -algorithm ed25519, makes one",
          file: path)
      }
      self.key = key
    }

    /// The file of the key.
    public var pem: String { PEM.text(Self.label, Self.prefix + Array(key.rawRepresentation)) }

    /// The key that others know the signer by.
    public var publicKey: Public { Public(key.publicKey) }

    /// Signs bytes.
    package func signature(of bytes: [UInt8]) throws(LMToolError) -> [UInt8] {
      do { return Array(try key.signature(for: bytes)) } catch {
        throw LMToolError(.bug, "Ed25519 could not sign: \(error)")
      }
    }

    fileprivate static let label = "PRIVATE KEY"
    /// What stands before the 32 bytes in DER: version 0, the algorithm 1.3.101.112, an octet string in an octet string.
    private static let prefix: [UInt8] = [0x30, 0x2E, 2, 1, 0, 0x30, 5, 6, 3, 0x2B, 0x65, 0x70, 4, 0x22, 4, 0x20]
  }

  /// The key that tells who signed.
  public struct Public: Sendable, Equatable, CustomStringConvertible {
    /// Its 32 bytes.
    let bytes: [UInt8]

    /// Reads a PEM file of a public key, or of a private one, whose public key it then is.
    ///
    /// - Throws: `badInput` when it holds no key of Ed25519.
    public init(file path: String) throws(LMToolError) {
      if let known = try PEM(file: path).key(Self.label, prefix: Self.prefix) {
        bytes = known
      } else {
        self = try Private(file: path).publicKey
      }
    }

    /// The key of a signature.
    init?(hex: String) {
      guard let bytes = [UInt8](hex: hex), bytes.count == 32 else { return nil }
      self.bytes = bytes
    }

    fileprivate init(_ key: Curve25519.Signing.PublicKey) { bytes = Array(key.rawRepresentation) }

    /// 64 hexadecimal digits.
    public var description: String { bytes.hex }

    /// The file of the key.
    public var pem: String { PEM.text(Self.label, Self.prefix + bytes) }

    /// Whether `signature` is this signer's of `content`.
    package func isValid(_ signature: [UInt8], of content: [UInt8]) -> Bool {
      guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: bytes) else { return false }
      return key.isValidSignature(signature, for: content)
    }

    private static let label = "PUBLIC KEY"
    /// What stands before the 32 bytes in DER: the algorithm 1.3.101.112, a string of bits.
    private static let prefix: [UInt8] = [0x30, 0x2A, 0x30, 5, 6, 3, 0x2B, 0x65, 0x70, 3, 0x21, 0]
  }
}

/// A text file with one block of Base64 between two lines that say what it is (RFC 7468).
private struct PEM {
  private let lines: [Substring]

  /// The most bytes of a file that is read.
  private static let most = 4096

  init(file path: String) throws(LMToolError) {
    let file = try MappedFile(path: path)
    guard file.count <= Self.most else {
      throw LMToolError(.badInput, "it has \(file.count) bytes, more than a key ever has", file: path)
    }
    let text = file.withBytes(0..<file.count) { String(decoding: $0, as: UTF8.self) }
    lines = text.split(whereSeparator: \.isNewline)
  }

  /// The 32 bytes behind `prefix` in the block `label`; nil when that is not what the file holds.
  func key(_ label: String, prefix: [UInt8]) -> [UInt8]? {
    guard let start = lines.firstIndex(of: "-----BEGIN \(label)-----"), let end = lines.firstIndex(of: "-----END \(label)-----"),
      start < end, let data = Data(base64Encoded: lines[(start + 1)..<end].joined())
    else { return nil }
    let bytes = [UInt8](data)
    return bytes.starts(with: prefix) && bytes.count == prefix.count + 32 ? Array(bytes.suffix(32)) : nil
  }

  static func text(_ label: String, _ bytes: [UInt8]) -> String {
    "-----BEGIN \(label)-----\n\(Data(bytes).base64EncodedString())\n-----END \(label)-----\n"
  }
}

extension [UInt8] {
  /// Two lower-case hexadecimal digits for each byte.
  var hex: String {
    let digits = [UInt8]("0123456789abcdef".utf8)
    return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// The bytes of lower-case hexadecimal digits, nil when they are none.
  init?(hex: String) {
    let digits = hex.utf8.map { digit -> UInt8? in
      switch digit {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
      default: nil
      }
    }
    guard digits.count % 2 == 0 else { return nil }
    self = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let high = digits[index], let low = digits[index + 1] else { return nil }
      append(high << 4 | low)
    }
  }
}
