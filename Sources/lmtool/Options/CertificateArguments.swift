import ArgumentParser
import Compression
import Models
import Tensors

/// Whether a file gets a certificate of its quality, and of what.
struct CertificateArguments: ParsableArguments {
  @Flag(help: "Leave the certificate out: verify can then check the bytes of the file, not its quality.")
  var noCertificate = false
  @Option(
    help: ArgumentHelp(
      "A text that the certificate shall also be of, besides the bundled ones; its beginning is taken. May be repeated.",
      valueName: "file"), completion: .file())
  var probe: [String] = []

  /// The most bytes of a text that are read.
  private static let mostBytes = 8192

  func validate() throws {
    if noCertificate, !probe.isEmpty { throw ValidationError("--probe is of the certificate that --no-certificate leaves out") }
    if probe.count > 8 { throw ValidationError("at most 8 texts can be given with --probe") }
  }

  /// The certificate that `source` gets: beside `original`, or beside itself where it has lost nothing yet.
  func request(of source: ModelSource, original: ModelSource?) throws(LMToolError) -> CertificateRequest? {
    if original == nil, CertificateRequest.needsOriginal(source) { return nil }
    return try request(original: original ?? source)
  }

  /// The certificate that is asked for, beside `original`.
  func request(original: ModelSource) throws(LMToolError) -> CertificateRequest? {
    guard !noCertificate else { return nil }
    var probes: [CertificateProbe] = []
    for path in probe {
      let file = try MappedFile(path: path)
      let text = file.withBytes(0..<min(file.count, Self.mostBytes)) { String(decoding: $0, as: UTF8.self) }
      probes.append(CertificateProbe(name: path.split(separator: "/").last.map(String.init) ?? path, text: text))
    }
    return CertificateRequest(original: original, probes: probes)
  }
}

extension FidelityGrade: ExpressibleByArgument {
  /// A grade by its letter, in either case.
  public init?(argument: String) { self.init(rawValue: argument.uppercased()) }
}
