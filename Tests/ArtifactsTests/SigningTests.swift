import Artifacts
import Tensors
import TestSupport
import Testing

/// Signatures: those of RFC 8032, of what a file holds and not of how it is packed; and keys that are none.
struct SigningTests {
  let scratch = TestFolder()
  /// The second test of RFC 8032, section 7.1, as OpenSSL writes its keys.
  private static let secret: String = """
    -----BEGIN PRIVATE KEY-----
    MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7
    -----END PRIVATE KEY-----

    """
  private static let known: String = """
    -----BEGIN PUBLIC KEY-----
    MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=
    -----END PUBLIC KEY-----

    """
  private static let signature: [UInt8] = [
    0x92, 0xA0, 0x09, 0xA9, 0xF0, 0xD4, 0xCA, 0xB8, 0x72, 0x0E, 0x82, 0x0B, 0x5F, 0x64, 0x25, 0x40, 0xA2, 0xB2, 0x7B, 0x54, 0x16,
    0x50,
    0x3F, 0x8F, 0xB3, 0x76, 0x22, 0x23, 0xEB, 0xDB, 0x69, 0xDA, 0x08, 0x5A, 0xC1, 0xE4, 0x3E, 0x15, 0x99, 0x6E, 0x45, 0x8F, 0x36,
    0x13,
    0xD0, 0xF1, 0x1D, 0x8C, 0x38, 0x7B, 0x2E, 0xAE, 0xB4, 0x30, 0x2A, 0xEE, 0xB0, 0x0D, 0x29, 0x16, 0x12, 0xBB, 0x0C, 0x00,
  ]

  private func secret() throws -> SigningKey.Private {
    try SigningKey.Private(file: try scratch.write("key.pem", Array(Self.secret.utf8)))
  }

  @Test func keysAndSignaturesAreThoseOfTheStandard() throws {
    let key = try secret(), file = try scratch.write("key.pub", Array(Self.known.utf8))
    #expect(key.pem == Self.secret && key.publicKey.pem == Self.known)
    #expect(try SigningKey.Public(file: file) == key.publicKey)
    #expect(try SigningKey.Public(file: scratch.path("key.pem")) == key.publicKey)
    #expect(key.publicKey.description == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    #expect(key.publicKey.isValid(Self.signature, of: [0x72]))
    #expect(!key.publicKey.isValid(Self.signature, of: [0x73]))
    #expect(try key.publicKey.isValid(key.signature(of: [1, 2]), of: [1, 2]))
  }

  @Test func aNewKeyIsReadAsItIsWritten() throws {
    let key = SigningKey.Private(), path = try scratch.write("new.pem", Array(key.pem.utf8))
    #expect(try SigningKey.Private(file: path).publicKey == key.publicKey)
    #expect(SigningKey.Private().publicKey != key.publicKey)
  }

  static let broken: [String] = [
    "", "nonsense", "-----END PRIVATE KEY-----\n-----BEGIN PRIVATE KEY-----\n", secret.replacing("MC4C", with: "MC4D"),
    secret.replacing("uKb7", with: ""), secret.replacing("PRIVATE", with: "RSA PRIVATE"), secret.replacing("MC4C", with: "!!!!"),
    String(repeating: "a", count: 10_000),
  ]

  @Test(arguments: broken) func whatIsNoKeyIsRefused(text: String) throws {
    let path = try scratch.write("key.pem", Array(text.utf8))
    #expect(#expect(throws: LMToolError.self) { try SigningKey.Private(file: path) }?.code == .badInput)
    #expect(#expect(throws: LMToolError.self) { try SigningKey.Public(file: path) }?.code == .badInput)
  }

  @Test func aFileIsSignedOnceByEveryone() throws {  // LMZ-19, LMZ-20
    let path = scratch.path("a.lmz"), signed = scratch.path("b.lmz"), twice = scratch.path("c.lmz"), other = SigningKey.Private()
    try writeSample(path)
    let bytes = try ArtifactSigning.sign(path, to: signed, key: try secret())
    #expect(try contents(signed).count == bytes)
    let artifact = try Artifact(path: signed), signatures = try #require(artifact.manifest.signatures)
    #expect(signatures.map(\.key) == [try secret().publicKey.description] && artifact.manifest.isValid(signatures[0]))
    #expect(artifact.verifyBytes() == [])
    #expect(try artifact.manifest.payloadHash == Artifact(path: path).manifest.payloadHash)
    _ = try ArtifactSigning.sign(signed, to: twice, key: other)
    _ = try ArtifactSigning.sign(twice, to: signed, key: other)
    let both = try Artifact(path: signed).manifest
    #expect(both.signatures?.count == 2 && both.signatures?.allSatisfy { both.isValid($0) } == true)
  }

  @Test func aSignatureIsOfAllThatTheFileSays() throws {  // LMZ-19
    let path = scratch.path("a.lmz"), signed = scratch.path("b.lmz")
    try writeSample(path)
    _ = try ArtifactSigning.sign(path, to: signed, key: try secret())
    let manifest = try Artifact(path: signed).manifest, signature = try #require(manifest.signatures?.first)
    let changes: [(inout ArtifactManifest) -> Void] = [
      { $0.lmtool = "another" }, { $0.config = .object([:]) }, { $0.generation = nil }, { $0.tokenizer = nil },
      { $0.chatTemplate = nil }, { $0.rate = "tokenizer.json" }, { $0.certificate = "tokenizer.json" },
      { $0.tensors[0].name = "c.weight" }, { $0.tensors[0].shape = [65, 6] }, { $0.tensors[0].type = "int8-g32" },
      { $0.tensors[0].sha256 = String(repeating: "0", count: 64) }, { $0.tensors.swapAt(0, 1) },
      { $0.blobs[0].sha256 = String(repeating: "0", count: 64) }, { $0.blobs[0].name = "a" }, { $0.provenance.recipe = .null },
      { $0.transcript?.generated = [4] },
    ]
    for (index, change) in changes.enumerated() {
      var changed = manifest
      change(&changed)
      #expect(!changed.isValid(signature), "change \(index)")
    }
    var moved = manifest
    moved.tensors[0].streams[0].offset += 1
    moved.payloadHash = String(repeating: "0", count: 64)
    #expect(moved.isValid(signature))
  }

  /// A file with one blob, packed at a level.
  private func packed(_ level: Int32) -> HostileFile {
    var noise = Noise(3), file = HostileFile()
    let text = (0..<900).flatMap { _ in Array("\(noise.next() % 37) of ".utf8) }, frame = HostileFile.frame(text, level: level)
    file.frames = [frame]
    file.blobs = [
      .object([
        "name": .string("a"), "sha256": .string(Digest.hex(text)), "stream": HostileFile.stream(64, text.count, [frame.count]),
      ])
    ]
    return file
  }

  @Test func packingAnewBreaksNoSignature() throws {  // LMZ-19
    var first = packed(1), second = packed(19)
    #expect(first.frames != second.frames)
    let signed = scratch.path("signed.lmz")
    _ = try ArtifactSigning.sign(try scratch.write("first.lmz", try first.bytes()), to: signed, key: try secret())
    let signature = try #require(try Artifact(path: signed).manifest.signatures?.first)
    let json: JSONValue = .array([.object(["key": .string(signature.key), "signature": .string(signature.signature)])])
    second.more["signatures"] = json
    let anew = try Artifact(path: try scratch.write("second.lmz", try second.bytes()))
    #expect(anew.verifyBytes() == [] && anew.manifest.signatures == [signature] && anew.manifest.isValid(signature))
    first.more["lmtool"] = .string("another")
    first.more["signatures"] = json
    let other = try Artifact(path: try scratch.write("third.lmz", try first.bytes()))
    #expect(!other.manifest.isValid(signature))
  }

  @Test func hostileSignaturesAreRefused() throws {  // LMZ-20
    let key = String(repeating: "a", count: 64), signature = String(repeating: "0", count: 128)
    func rule(_ signatures: [(String, String)]) throws -> String? {
      var file = packed(1)
      file.more["signatures"] = .array(signatures.map { .object(["key": .string($0), "signature": .string($1)]) })
      return refusal(try scratch.write("hostile.lmz", try file.bytes()))?.rule
    }
    #expect(try rule([(key, signature)]) == nil)
    for (key, signature) in [("", signature), (key + "a", signature), (key, ""), (key.uppercased(), signature), (key, key)] {
      #expect(try rule([(key, signature)]) == "LMZ-20")
    }
    #expect(try rule(Array(repeating: (key, signature), count: 17)) == "LMZ-20")
  }

  @Test func aDamagedFileIsNotSigned() throws {
    let path = scratch.path("a.lmz")
    try writeSample(path)
    var bytes = try contents(path)
    bytes[80] ^= 1
    let damaged = try scratch.write("damaged.lmz", bytes)
    #expect(throws: LMToolError.self) { try ArtifactSigning.sign(damaged, to: scratch.path("b.lmz"), key: try secret()) }
    #expect(!scratch.names.contains("b.lmz"))
  }
}
