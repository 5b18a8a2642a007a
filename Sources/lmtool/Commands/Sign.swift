import ArgumentParser
import Artifacts
import Compression
import Models
import Tensors

extension LMTool {
  /// `lmtool sign`.
  struct Sign: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Sign an .lmz file, so that others can tell that it is yours.",
      discussion: """
        The signature (Ed25519) is of what the file holds: the hashes of all tensors, tokenizer, certificate, and what the file says of \
        itself. Packing the same content anew does not break it. It is part of the file, which has some 200 bytes more then. Keys are PEM \
        files as OpenSSL's; --make-key makes one, and the public key beside it, which others verify with.

          lmtool sign --make-key me.pem                                  # writes me.pem, to be kept secret, and me.pem.pub
          lmtool sign smollm2.lmz --key me.pem -o smollm2-signed.lmz
          lmtool verify smollm2-signed.lmz --key me.pem.pub
        """)

    @Argument(help: "An .lmz file.", completion: .file(extensions: ["lmz"]))
    var file: String?
    @Option(help: "The private key: a PEM file of Ed25519.", completion: .file())
    var key: String?
    @Option(
      name: [.short, .customLong("output")], help: "The signed .lmz file to write.", completion: .file(extensions: ["lmz"]))
    var output: String?
    @Option(
      help: ArgumentHelp("Make a new key instead: this file, and FILE.pub beside it.", valueName: "file"), completion: .file())
    var makeKey: String?
    @OptionGroup var speech: OutputOptions

    func validate() throws {
      let signs = [file, key, output]
      if makeKey != nil {
        guard signs.allSatisfy({ $0 == nil }) else { throw ValidationError("--make-key stands alone") }
      } else {
        guard signs.allSatisfy({ $0 != nil }) else {
          throw ValidationError("name a file to sign, --key and -o; or make a key with --make-key")
        }
      }
    }

    func run() throws {
      let console = speech.console
      if let makeKey { return try make(makeKey, console) }
      guard let file, let key, let output else { return }
      try OutputPath.check(output, against: try ModelSource.open(file))
      let signer = try SigningKey.Private(file: key)
      let bytes = try console.withProgress { (progress) throws(LMToolError) in
        try ArtifactSigning.sign(file, to: output, key: signer, progress: progress)
      }
      console.note("\(output): \(ByteSize(bytes)), signed by \(signer.publicKey)")
    }

    private func make(_ path: String, _ console: Console) throws(LMToolError) {
      let key = SigningKey.Private()
      for (path, pem, mode) in [(path, key.pem, UInt32(0o600)), (path + ".pub", key.publicKey.pem, 0o644)] {
        let file = try OutputFile(path: path, mode: mode, replaces: false)
        try file.write(Array(pem.utf8))
        try file.commit()
      }
      console.note("\(path): keep it secret; \(path).pub is for others: \(key.publicKey)")
    }
  }
}
