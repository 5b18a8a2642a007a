import ArgumentParser
import Artifacts
import Compression
import Models
import Tensors

extension LMTool {
  /// `lmtool import`.
  struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Turn a checkpoint of any format into a model directory.",
      discussion: """
        Reads safetensors and PyTorch files (one file, or shards with their index), Meta's and Mistral's consolidated files, \
        GGUF, GGML of 2023, NumPy and llama2.c files, also what GPTQ, AWQ, MLX, compressed-tensors and FP8 made of \
        safetensors, and writes config.json, model.safetensors and the tokenizer as Hugging Face lays them out, so that \
        transformers opens the result. Nothing in a file is executed. \
        Tensors are streamed: memory does not grow with the model.

          lmtool import stories15M.bin -o stories15M
          lmtool import model.Q8_0.gguf -o model --dtype f16
        """)

    @Argument(help: "A model directory, or a .safetensors, .bin, .pt, .pth, .gguf or .npz file.", completion: .file())
    var source: String
    @Option(
      name: [.short, .customLong("output")], help: "The model directory to write; it must not exist.", completion: .directory)
    var output: String
    @Option(help: "f32, f16 or bf16. By default that of the matrices; f16 for quantized files.")
    var dtype: FloatType?
    @Option(help: "A tokenizer file or folder to use instead of the model's own.", completion: .file())
    var tokenizer: String?
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    func run() throws {
      threads.apply()
      let console = speech.console
      let source = try ModelSource.open(source, tokenizer: tokenizer)
      try console.withProgress { (progress) throws(LMToolError) in
        try Importing.run(source, to: output, type: dtype?.type, progress: progress)
      }
      let type = dtype?.type ?? Importing.defaultType(of: source)
      console.note("\(output): \(source.parameterCount) parameters in \(type.rawValue), from \(source.format)")
      if source.tokenizer == nil { console.warn(source.tokenizerProblem?.description ?? "the model has no tokenizer") }
      if !source.unused.isEmpty {
        console.warn("left out, since the model does not use them: \(source.unused.joined(separator: ", "))")
      }
    }
  }
}

/// A float type on the command line.
enum FloatType: String, ExpressibleByArgument, CaseIterable {
  case f32, f16, bf16

  var type: DType {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    }
  }
}
