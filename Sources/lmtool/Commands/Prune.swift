import ArgumentParser
import Artifacts
import Compression
import Models
import Tensors

extension LMTool {
  /// `lmtool prune`.
  struct Prune: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Remove what a model needs least: tokens, layers, heads, channels, single weights.",
      discussion: """
        What goes is chosen by what it costs, measured on a text: layers by the KL of the model without them, channels and heads by what is \
        lost when the rest makes up for them, which it then does. Layers may differ in size afterwards; every command of lmtool takes such a \
        model, and --uniform or --pad makes one that transformers opens as well. With a target the mix is chosen by the loss of each \
        parameter. formats/pruning.md says what is computed.

          lmtool prune SmolLM2 -o small --mlp 0.1 --text book.txt
          lmtool prune SmolLM2 -o small --layers 4 --heads 0.1 --vocab 32000 --text book.txt --report small.html
          lmtool prune SmolLM2 -o small --target-params 100000000 --calibration smollm2.cal
          lmtool prune SmolLM2 -o sparse --pattern 2:4 --method wanda --text book.txt
        """)

    @Argument(help: "A float model of any kind.", completion: .file())
    var model: String
    @Option(name: [.short, .customLong("output")], help: "The model directory to write.", completion: .directory)
    var output: String
    @Option(help: ArgumentHelp("Remove so many layers, those that are missed least, or these: 3,7,20-22.", valueName: "k|list"))
    var layers: PruningOptions.Layers?
    @Option(help: ArgumentHelp("Remove this fraction of the channels of the MLPs.", valueName: "fraction"))
    var mlp: Double?
    @Option(
      help: ArgumentHelp(
        "Remove this fraction of the heads of keys and values, with the query heads that share them.", valueName: "fraction"))
    var heads: Double?
    @Option(help: ArgumentHelp("Keep so many tokens.", valueName: "n"))
    var vocab: Int?
    @Option(
      help: ArgumentHelp(
        "Which tokens stay: loss (those that the text misses most for their bytes), or rank, the first ones, to compare with.",
        valueName: "order"))
    var vocabBy: PruningOptions.VocabularyOrder = .loss
    @Option(help: ArgumentHelp("Keep so many channels of the residual stream.", valueName: "n"))
    var width: Int?
    @Option(help: ArgumentHelp("Remove what costs least until at most so many parameters are left.", valueName: "n"))
    var targetParams: Int?
    @Option(help: "Remove what costs least until the weights take at most so many bytes: 200MB, 190MiB.")
    var targetBytes: ByteSize?
    @Option(
      help: "How channels and heads are ranked: loss (when the rest makes up for them), activation, or random to compare with.")
    var importance: PruningImportance = .loss
    @Flag(help: "Remove as many channels and heads from each layer, so that transformers opens the model.")
    var uniform = false
    @Flag(inversion: .prefixedNo, help: "Fit the matrices behind channels and heads that go to what they gave before.")
    var compensation = true
    @Flag(help: "Fill up with zeros what layers lack, so that transformers opens the model.")
    var pad = false
    @Option(help: "Type of the weights: f32, f16 or bf16 (default: that of the model).")
    var dtype: FloatType?
    @Option(help: "A tokenizer file or folder to use instead of the model's own.", completion: .file())
    var tokenizer: String?
    @OptionGroup(title: "Zeros") var sparsity: SparsityArguments
    @OptionGroup(title: "Text") var calibration: CalibrationArguments
    @OptionGroup var reportFile: ReportFileArguments
    @OptionGroup var report: ReportOptions
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    func validate() throws {
      if targetParams != nil, targetBytes != nil { throw ValidationError("give one of --target-params and --target-bytes") }
      if vocabBy == .rank, vocab == nil { throw ValidationError("--vocab-by goes with --vocab") }
      if let targetParams, targetParams < 1 { throw ValidationError("--target-params must be 1 or more") }
    }

    private var options: PruningOptions {
      var options = PruningOptions()
      options.layers = layers
      options.mlp = mlp
      options.heads = heads
      options.vocabulary = vocab
      options.vocabularyOrder = vocabBy
      options.width = width
      options.sparsity = sparsity.options
      options.target = targetParams.map { .parameters($0) } ?? targetBytes.map { .bytes($0.bytes) }
      options.importance = importance
      options.isUniform = uniform
      options.compensates = compensation
      options.seed = calibration.source.seed
      return options
    }

    func run() throws {
      threads.apply()
      let console = speech.console
      let source = try ModelSource.open(model, tokenizer: tokenizer)
      if let file = reportFile.file { try OutputPath.check(file.path, against: source) }
      let result = try console.withProgress { (progress) throws(LMToolError) in
        try Pruning(source, to: output, options: options, calibration: calibration.options, type: dtype?.type, progress: progress)
          .run(pads: pad) { console.warn($0) }
      }
      try reportFile.file?.write(result, page: PruningPage(result).html)
      if report.json { try console.print(json: result) } else { Self.show(result, on: console) }
      guard !result.opensInTransformers else { return }
      console.note(
        "layers differ in size, which transformers cannot express; lmtool export --to safetensors --pad fills up with zeros")
    }

    private static func show(_ result: PruningReport, on console: Console) {
      var table = Table(.left(), .right(), .right())
      func row(_ name: String, _ before: Int, _ after: Int) {
        if before != after { table.add(Table.Cell(name), Table.Cell("\(before)"), Table.Cell("\(after)")) }
      }
      table.add("", "before", "after")
      table.add("parameters", Table.Cell("\(result.parametersBefore)"), Table.Cell("\(result.parametersAfter)"))
      let left = result.layers.filter { $0.newIndex != nil }
      row("layers", result.layers.count, left.count)
      row("heads of keys and values", left.reduce(0) { $0 + $1.groups }, left.reduce(0) { $0 + $1.groups - $1.groupsGone.count })
      row("channels of MLPs", left.reduce(0) { $0 + $1.channels }, left.reduce(0) { $0 + $1.channelsLeft })
      row("width", result.widthBefore, result.widthAfter)
      row("tokens", result.vocabularyBefore, result.vocabularyAfter)
      if let nonzero = result.nonzero { row("weights other than zero", result.parametersBefore, nonzero) }
      if let quality = result.quality {
        table.add(
          "bits per byte, held-out text", Table.Cell(quality.bitsPerByteBefore.fixed(4)),
          Table.Cell(quality.bitsPerByteAfter.fixed(4)))
        table.add("KL, nats for a token", "", Table.Cell(quality.divergence.fixed(4)))
      }
      console.print(table)
    }
  }
}

extension PruningImportance: ExpressibleByArgument {}
extension PruningOptions.VocabularyOrder: ExpressibleByArgument {}
