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

        With --adapter, LoRA adapters (as peft saves them: adapter_config.json and its weights) are merged into the weights, \
        and a table says how far these move. An adapter of another base is refused, and so is one that changes nothing.

          lmtool import stories15M.bin -o stories15M
          lmtool import model.Q8_0.gguf -o model --dtype f16
          lmtool import Llama-3.2-1B -o tuned --adapter my-lora
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
    @Option(
      help: "A folder with a LoRA adapter, merged into the weights; repeated, each into the result of those before it.",
      completion: .directory)
    var adapter: [String] = []
    @OptionGroup var report: ReportOptions
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    func run() throws {
      threads.apply()
      let console = speech.console
      var source = try ModelSource.open(source, tokenizer: tokenizer)
      // The type of the base: adapters are often in f32, whatever they are for.
      let type = dtype?.type ?? Importing.defaultType(of: source)
      let adapters = try merge(into: &source, console)
      try console.withProgress { (progress) throws(LMToolError) in
        try Importing.run(source, to: output, type: type, progress: progress)
      }
      if report.json {
        let result = ImportReport(
          output: output, format: source.format, parameters: source.parameterCount, dtype: type.rawValue,
          leftOut: source.unused, adapters: adapters)
        try console.print(json: result)
      }
      console.note("\(output): \(source.parameterCount) parameters in \(type.rawValue), from \(source.format)")
      if source.tokenizer == nil { console.warn(source.tokenizerProblem?.description ?? "the model has no tokenizer") }
      if !source.unused.isEmpty {
        console.warn("left out, since the model does not use them: \(source.unused.joined(separator: ", "))")
      }
    }

    /// Merges the adapters one after the other, and shows what each changes.
    private func merge(into source: inout ModelSource, _ console: Console) throws -> [AdapterReport] {
      var reports: [AdapterReport] = []
      for path in adapter {
        let opened = try LoRAAdapter(path: path), merged = try source.merging(opened)
        let result = try console.withProgress { (progress) throws(LMToolError) in
          try AdapterReport(merged, of: opened, progress: progress)
        }
        if !report.json { console.print(result.table) }
        console.note(
          "\(path): a LoRA adapter\(result.base.map { " of \($0)" } ?? ""), in \(result.layers) of \(result.layersOfModel) layers"
        )
        if !result.leftOut.isEmpty {
          console.warn("\(path): left out, since the model has no place for them: \(result.leftOut.joined(separator: ", "))")
        }
        source = merged.model
        reports.append(result)
      }
      return reports
    }
  }
}

/// What `import` did, for other programs.
private struct ImportReport: Encodable {
  let output: String
  let format: String
  let parameters: Int
  let dtype: String
  let leftOut: [String]
  let adapters: [AdapterReport]
}

extension AdapterReport {
  /// A line for each kind of module.
  var table: Table {
    var table = Table(.left("changed"), .right("modules"), .right("rank"), .right("movement"))
    for kind in kinds {
      let ranks = kind.ranks.isEmpty ? "replaced" : kind.ranks.map(String.init).joined(separator: ", ")
      table.add(Table.Cell(kind.module), Table.Cell("\(kind.modules)"), Table.Cell(ranks), Table.Cell(kind.movement.threeDigits))
    }
    table.add("all", Table.Cell("\(kinds.reduce(0) { $0 + $1.modules })"), "", Table.Cell(movement.threeDigits))
    return table
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
