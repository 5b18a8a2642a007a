import ArgumentParser
import Artifacts
import Compression
import Models
import OrderedCollections
import Quantization
import Tensors

extension LMTool {
  /// `lmtool quantize`.
  struct Quantize: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Turn the matrices of a float model into 8- or 4-bit integers.",
      discussion: """
        Every group of inputs gets a scale (and, with -min, a minimum) that is searched for the least squared error. \
        Norms and biases stay floats. The result is a model directory with codes and scales as tensors \
        (formats/quantized.md), for export, run and eval.

        With --method gptq the model runs on a calibration text, and the errors of weights make up for each other: slower, and with \
        much less loss. Embedding and head are rounded as always.

        Schemes: \(GridScheme.allNames.joined(separator: ", ")).

          lmtool quantize SmolLM2 -o SmolLM2-int4 --scheme int4-g32 --embedding-scheme int8-row
          lmtool quantize SmolLM2 -o SmolLM2-int8 --scheme int8-g32 --keep '*layers.0.*'
          lmtool quantize SmolLM2 -o SmolLM2-gptq --scheme int4-g128 --method gptq --text book.txt
        """)

    @Argument(help: "A float model: a model directory, GGUF, safetensors or llama2.c file.", completion: .file())
    var model: String
    @Option(
      name: [.short, .customLong("output")], help: "The quantized directory to write; it must not exist.", completion: .directory)
    var output: String
    @OptionGroup var recipe: RecipeOptions
    @Option(help: "How codes are chosen: each nearest to its weight (rtn), or so that errors make up for each other (gptq).")
    var method = Method.rtn
    @OptionGroup(title: "Calibration (for gptq)") var calibration: CalibrationArguments
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    func run() throws {
      threads.apply()
      let console = speech.console
      let recipe = try recipe.required()
      let source = try ModelSource.open(model)
      let text = method == .gptq ? try text(for: source, console) : nil
      try console.withProgress { (progress) throws(LMToolError) in
        try Quantizing.run(source, recipe: recipe, calibratedOn: text, to: output, progress: progress)
      }
      let written = try ModelSource.open(output)
      let bits = written.tensors.values.reduce(0) { $0 + 8 * $1.storedBytes }
      console.note("\(output): \((Double(bits) / Double(written.parameterCount)).fixed(2)) bits per weight before packing")
    }

    func validate() throws {
      if method == .rtn, calibration.isGiven { throw ValidationError("a calibration goes with --method gptq") }
    }

    private func text(for source: ModelSource, _ console: Console) throws(LMToolError) -> CalibrationText {
      let text = try console.withProgress { (progress) throws(LMToolError) in
        try CalibrationText.obtain(source, calibration.options, progress: progress)
      }
      for warning in text.warnings { console.warn(warning) }
      return text
    }

    /// How codes are chosen.
    enum Method: String, ExpressibleByArgument, CaseIterable { case rtn, gptq }
  }
}

/// Which matrices get which scheme, on the command line.
struct RecipeOptions: ParsableArguments {
  @Option(help: "Scheme of the matrices, such as int4-g32, int8-row or int4-g64-min.")
  var scheme: String?
  @Option(help: "Scheme of embedding and head, or f16. By default int8-row when the matrices have 4 bits, else the same.")
  var embeddingScheme: String?
  @Option(name: .long, help: "Leave tensors in f16 whose names match; * stands for anything. Can be repeated.")
  var keep: [String] = []

  /// Whether any of them was given.
  var isGiven: Bool { scheme != nil || embeddingScheme != nil || !keep.isEmpty }

  /// The recipe that the options ask for; nil when they leave the choice.
  func recipe() throws(LMToolError) -> QuantizationRecipe? {
    guard let scheme else {
      guard embeddingScheme == nil, keep.isEmpty else {
        throw LMToolError(.usage, "--embedding-scheme and --keep go with --scheme")
      }
      return nil
    }
    let grid = try Self.grid(scheme)
    let fallback = grid.bits == 4 ? try Self.grid("int8-row") : grid
    var embedding: GridScheme? = fallback
    if let embeddingScheme { embedding = embeddingScheme == "f16" ? nil : try Self.grid(embeddingScheme) }
    return QuantizationRecipe(scheme: grid, embeddingScheme: embedding, keep: keep)
  }

  /// The recipe, which must be given.
  func required() throws(LMToolError) -> QuantizationRecipe {
    guard let recipe = try recipe() else {
      throw LMToolError(.usage, "name a scheme with --scheme, such as int8-g32 or int4-g32")
    }
    return recipe
  }

  private static func grid(_ name: String) throws(LMToolError) -> GridScheme {
    guard let grid = GridScheme(name: name) else {
      throw LMToolError(
        .usage, "there is no scheme \(name.printable); choose one of \(GridScheme.allNames.joined(separator: ", "))")
    }
    return grid
  }
}
