import ArgumentParser
import Artifacts
import Compression
import Models
import Tensors

extension LMTool {
  /// `lmtool export`.
  struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write a model as one .lmz file, as GGUF, or as safetensors.",
      discussion: """
        lmz: everything in one zstd-packed file with hashes, provenance, a transcript and a certificate of quality (formats/lmz.md).
        gguf: what llama.cpp loads; int8 becomes Q8_0, int4 Q4_0 or Q4_1, without loss; --blocks quantizes floats to Q4_K or Q6_K.
        safetensors: a model directory with float weights for transformers.

          lmtool export SmolLM2-int4 -o smollm2.lmz --original SmolLM2-135M-Instruct
          lmtool export smollm2.lmz -o smollm2.gguf --to gguf
        """)

    /// What can be written.
    enum Target: String, ExpressibleByArgument, CaseIterable { case lmz, gguf, safetensors }

    @Argument(help: "A model of any kind, float or quantized.", completion: .file())
    var model: String
    @Option(
      name: [.short, .customLong("output")], help: "The file (or, for safetensors, the directory) to write.", completion: .file())
    var output: String
    @Option(help: "lmz, gguf or safetensors. By default what the name of the output ends in, else lmz.")
    var to: Target?
    @Option(help: "Type of float matrices: f32, f16 or bf16.")
    var dtype: FloatType?
    @Option(
      help: ArgumentHelp(
        "For gguf: quantize float matrices whose rows are multiples of 256 to q4_k (embedding and head to q6_k) or q6_k.",
        valueName: "type"))
    var blocks: GGUFBlocks?
    @Flag(help: "Fill up with zeros what layers of a pruned model lack, so that other programs open it. Not for lmz.")
    var pad = false
    @Option(help: "A tokenizer file or folder to use instead of the model's own.", completion: .file())
    var tokenizer: String?
    @Option(
      help: ArgumentHelp(
        "For lmz: the model that this one was made from; a quantized one gets its certificate beside it, and none without.",
        valueName: "model"),
      completion: .file())
    var original: String?
    @OptionGroup(title: "Certificate (for lmz)") var certificate: CertificateArguments
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    private var target: Target { to ?? (output.hasSuffix(".gguf") ? .gguf : .lmz) }

    func validate() throws {
      guard blocks == nil || target == .gguf else { throw ValidationError("--blocks is for GGUF files: add --to gguf") }
      guard !pad || target != .lmz else { throw ValidationError("--pad is for safetensors and GGUF: add --to") }
      guard original == nil || target == .lmz else { throw ValidationError("--original is for .lmz files") }
    }

    func run() throws {
      threads.apply()
      let console = speech.console
      var source = try ModelSource.open(model, tokenizer: tokenizer)
      if pad { source = try source.padded() }
      let target = self.target
      let differences: [String] = try console.withProgress { (progress) throws(LMToolError) in
        switch target {
        case .lmz:
          let original = try original.map { (path) throws(LMToolError) in try ModelSource.open(path) }
          _ = try Exporting.lmz(
            source, to: output, matrixType: dtype?.type, recipe: recipe,
            certificate: try certificate.request(of: source, original: original), progress: progress)
        case .gguf:
          return try Exporting.gguf(source, to: output, matrixType: dtype?.type, blocks: blocks, progress: progress)
        case .safetensors:
          try Importing.run(source, to: output, type: dtype?.type, progress: progress)
        }
        return []
      }
      for difference in differences { console.warn(difference) }
      if target == .safetensors, !source.isPlain {
        console.warn("transformers cannot open it: layers differ in size; --pad fills up with zeros what they lack")
      }
      guard target != .safetensors else { return console.note("\(output): written") }
      let bytes = try MappedFile(path: output).count
      let bits = Double(8 * bytes) / Double(max(1, source.parameterCount))
      console.note("\(output): \(ByteSize(bytes)), \(bits.fixed(2)) bits per weight")
      if target == .lmz, !certificate.noCertificate, original == nil, CertificateRequest.needsOriginal(source) {
        console.warn("there is no certificate, as the model is quantized already; --original names what it was made from")
      }
      if source.tokenizer == nil { console.warn("the model has no tokenizer; run will need --tokenizer") }
    }

    private var recipe: JSONValue {
      .object(["export": .object(["dtype": dtype.map { .string($0.rawValue) } ?? .null])])
    }
  }
}

extension GGUFBlocks: ExpressibleByArgument {}
