import ArgumentParser
import Artifacts
import Compression
import Inference
import Models
import Tensors
import Tokenizers

extension LMTool {
  /// `lmtool eval`.
  struct Eval: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Perplexity and bits per byte of a model on a text or on chats.",
      discussion: """
        The text is cut into windows of so many tokens; a token is scored given those before it in its window. A model \
        whose tokenizer starts texts with BOS gets one in front of every window. Bits per byte can be compared across \
        tokenizers, perplexity cannot. With --against the two models are run side by side: KL(other || model) per \
        position, and how often both find the same token most likely. The model may have a part of the other's vocabulary: \
        then the other's tokens are compared as the pieces that the model splits them into, KL per token of the other.

        Conversations are scored as the model reads them, in its own chat format, each from an empty context; one that is longer than \
        a window is cut like a text. Special tokens count as the bytes they are spelled with.

          lmtool eval smollm2.lmz --text book.txt
          lmtool eval smollm2.lmz --chats questions.jsonl --answers --against SmolLM2
          lmtool eval smollm2.lmz --text book.txt --against SmolLM2 --windows 50 --json
        """)

    @Argument(help: "A model of any kind.", completion: .file())
    var model: String
    @Option(help: ArgumentHelp("The text file; invalid UTF-8 is replaced.", valueName: "file"), completion: .file())
    var text: String?
    @Option(
      help: ArgumentHelp(
        """
        A file of conversations instead of text, one JSON object to the line: messages with role and content, conversations with from \
        and value, instruction and output, or question and answer.
        """, valueName: "file"), completion: .file())
    var chats: String?
    @Flag(help: "Of conversations, score only what the assistant says.")
    var answers = false
    @Option(help: "Tokens of a window: 512 by default, or the model's context where that is shorter.")
    var window: Int?
    @Option(help: "How far each window starts after the one before; by default a whole window.")
    var stride: Int?
    @Option(help: "Score at most so many windows.")
    var windows: Int?
    @Option(help: "The model to compare with, usually the original.", completion: .file())
    var against: String?
    @Option(help: "A tokenizer file or folder to use instead of the model's own.", completion: .file())
    var tokenizer: String?
    @OptionGroup var compute: ArithmeticArguments
    @OptionGroup var report: ReportOptions
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    func validate() throws {
      guard (text == nil) != (chats == nil) else { throw ValidationError("name either --text or --chats") }
      if answers, chats == nil { throw ValidationError("--answers goes with --chats") }
    }

    func run() throws {
      threads.apply()
      let console = speech.console
      let source = try ModelSource.open(model, tokenizer: tokenizer)
      let options = try options(for: source)
      let text = try scored(source)
      let evaluation = try Evaluation(options, tokenizer: try source.makeTokenizer())
      let result = try console.withProgress { (progress) throws(LMToolError) in
        let model = try Transformer(source, arithmetic: compute.arithmetic, progress: progress)
        do throws(LMToolError) {
          guard let against else { return try evaluation.score(model, on: text, progress: progress) }
          return try compare(model, with: try ModelSource.open(against), evaluation, text, progress)
        } catch { throw error.within(file: self.text ?? chats ?? "") }
      }
      try Self.check(result.perplexity, of: source.path)
      if let against, let other = result.otherPerplexity { try Self.check(other, of: against) }
      try report.json ? console.print(json: EvaluationFigures(result, counted)) : console.print(table(result, options))
    }

    /// What the documents are called, where there may be many.
    private var counted: String? { chats == nil ? nil : answers ? "answers" : "conversations" }

    private func scored(_ source: ModelSource) throws(LMToolError) -> EvaluationText {
      if let chats { return try EvaluationText(chats: chats, for: source, answersOnly: answers) }
      let file = try MappedFile(path: text ?? "")
      return EvaluationText(file.withBytes(0..<file.count) { Array($0) })
    }

    private func options(for source: ModelSource) throws(LMToolError) -> EvaluationOptions {
      let context = source.spec.contextLength
      guard window ?? 0 <= context else {
        throw LMToolError(.usage, "--window must be at most \(context), the context of the model", file: source.path)
      }
      return EvaluationOptions(window: window ?? min(512, context), stride: stride, maximumWindows: windows)
    }

    /// A perplexity that is no number comes from weights that are none.
    private static func check(_ perplexity: Double, of path: String) throws(LMToolError) {
      guard perplexity.isNaN else { return }
      throw LMToolError(
        .badInput, "the logits are not finite, so the weights are broken; lmtool inspect --tensor shows which", file: path,
        rule: "MODEL-5")
    }

    /// Compares with a model of the same vocabulary, or of a larger one of which `model` has a part.
    private func compare(
      _ model: Transformer, with other: ModelSource, _ evaluation: Evaluation, _ text: EvaluationText,
      _ progress: ProgressConsumer?
    ) throws(LMToolError) -> EvaluationResult {
      if other.spec.vocabularySize == model.spec.vocabularySize {
        let other = try Transformer(other, arithmetic: compute.arithmetic)
        return try evaluation.score(model, on: text, against: other, progress: progress)
      }
      let splits: TokenSplits
      do throws(LMToolError) {
        splits = try TokenSplits(of: try other.makeTokenizer(), in: evaluation.tokenizer)
      } catch {
        throw LMToolError(
          error.code,
          "it has \(other.spec.vocabularySize) tokens and the model has \(model.spec.vocabularySize), which cannot be compared: "
            + error.message, file: other.path)
      }
      let other = try Transformer(other, arithmetic: compute.arithmetic)
      return try evaluation.score(model, on: text, against: other, splits: splits, progress: progress)
    }

    private func table(_ result: EvaluationResult, _ options: EvaluationOptions) -> Table {
      var table = Table(.left(), .right())
      func row(_ name: String, _ value: String) { table.add(Table.Cell(name), Table.Cell(value)) }
      row("perplexity", result.perplexity.fixed(4))
      row("bits per byte", result.bitsPerByte.fixed(4))
      if let counted { row(counted, "\(result.documents)") }
      row("tokens scored", "\(result.tokens)")
      row("bytes", "\(result.bytes)")
      row("window, stride", "\(options.window), \(options.stride)")
      if let other = result.otherPerplexity { row("perplexity of the other", other.fixed(4)) }
      if let other = result.otherBitsPerByte { row("bits per byte of the other", other.fixed(4)) }
      let per = result.otherBitsPerByte == nil ? "" : " per original token"
      if let kl = result.klMean { row("KL\(per), mean", kl.fixed(5)) }
      if let kl = result.kl99 { row("KL\(per), 99th percentile", kl.fixed(5)) }
      if let top = result.topAgreement { row("same top token", (100 * top).fixed(2) + " %") }
      return table
    }
  }
}

/// The keys of `eval --json`.
private struct EvaluationFigures: Encodable {
  let result: EvaluationResult
  /// What documents are called; nil for a text, which is one.
  let counted: String?

  init(_ result: EvaluationResult, _ counted: String?) {
    self.result = result
    self.counted = counted
  }

  private enum Key: String, CodingKey {
    case perplexity, tokens, bytes, conversations, answers
    case bitsPerByte = "bits_per_byte"
    case klMean = "kl_mean"
    case kl99 = "kl_p99"
    case topAgreement = "top1_agreement"
    case otherPerplexity = "perplexity_against"
    case otherBitsPerByte = "bits_per_byte_against"
  }

  func encode(to encoder: any Encoder) throws {
    var members = encoder.container(keyedBy: Key.self)
    try members.encode(result.perplexity, forKey: .perplexity)
    try members.encode(result.bitsPerByte, forKey: .bitsPerByte)
    if let key = counted.flatMap(Key.init) { try members.encode(result.documents, forKey: key) }
    try members.encode(result.tokens, forKey: .tokens)
    try members.encode(result.bytes, forKey: .bytes)
    try members.encodeIfPresent(result.klMean, forKey: .klMean)
    try members.encodeIfPresent(result.kl99, forKey: .kl99)
    try members.encodeIfPresent(result.topAgreement, forKey: .topAgreement)
    try members.encodeIfPresent(result.otherPerplexity, forKey: .otherPerplexity)
    try members.encodeIfPresent(result.otherBitsPerByte, forKey: .otherBitsPerByte)
  }
}
