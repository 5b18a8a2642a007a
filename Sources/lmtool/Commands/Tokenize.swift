import ArgumentParser
import Artifacts
import Models
import Tensors
import Tokenizers

extension LMTool {
  /// `lmtool tokenize`.
  struct Tokenize: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show the tokens of a text, or the text of tokens.",
      discussion: """
        Takes any model, or a tokenizer alone: tokenizer.json, tokenizer.model, a folder. --ids prints the ids on one line, \
        separated by spaces.

          lmtool tokenize smollm2.lmz "Hello, world"
          lmtool tokenize tokenizer.json --file book.txt --ids
          lmtool tokenize smollm2.lmz --decode "19556 28 905"
        """)

    @Argument(help: "A model of any kind, or a tokenizer.", completion: .file())
    var model: String
    @Argument(help: "The text.")
    var text: String?
    @Option(help: "Read the text from a file; invalid UTF-8 is replaced.", completion: .file())
    var file: String?
    @Option(help: "Ids to turn into text, separated by spaces or commas.")
    var decode: String?
    @Flag(help: "Print ids only.")
    var ids = false
    @Flag(help: "Let the text contain special tokens, such as <|im_start|>.")
    var special = false
    @Flag(inversion: .prefixedNo, help: "Add the BOS and EOS that the model wants.")
    var bos = true
    @OptionGroup var report: ReportOptions
    @OptionGroup var speech: OutputOptions

    func validate() throws {
      guard [text, file, decode].compactMap({ $0 }).count == 1 else {
        throw ValidationError("give a text, --file, or --decode: one of the three")
      }
    }

    func run() throws {
      let console = speech.console
      let tokenizer = try Self.open(model)
      if let decode {
        let ids = try parseIDs(decode, below: tokenizer.definition.vocabularySize)
        _ = console.print(String(decoding: tokenizer.decode(ids), as: UTF8.self))
        return
      }
      let tokens = tokenizer.encode(bytes: try bytes(), addSpecial: bos, parseSpecial: special)
      if report.json { return try console.print(json: ["ids": tokens]) }
      if ids { return _ = console.print(tokens.map(String.init).joined(separator: " ")) }
      var table = Table(.right("id"), .left("text"))
      for id in tokens { table.add(Table.Cell("\(id)"), Table.Cell(String(decoding: tokenizer.bytes(of: id), as: UTF8.self))) }
      console.print(table)
      console.note("\(tokens.count) tokens")
    }

    private func bytes() throws(LMToolError) -> [UInt8] {
      guard let file else { return Array((text ?? "").utf8) }
      let mapped = try MappedFile(path: file)
      return mapped.withBytes(0..<mapped.count) { Array($0) }
    }

    /// What is called .json, .model or .tiktoken is a tokenizer, anything else a model; a folder without one may hold a tokenizer alone.
    private static func open(_ path: String) throws(LMToolError) -> Tokenizer {
      if [".json", ".model", ".tiktoken"].contains(where: { path.hasSuffix($0) }) {
        return try Tokenizer(try TokenizerDefinition.read(anything: path, vocabularySize: 0))
      }
      do throws(LMToolError) {
        return try ModelSource.open(path).makeTokenizer()
      } catch {
        if path.hasSuffix(".gguf") { return try Tokenizer(try TokenizerDefinition.read(anything: path, vocabularySize: 0)) }
        guard error.code == .missingInput, let alone = try TokenizerDefinition.read(folder: path) else { throw error }
        return try Tokenizer(alone)
      }
    }
  }
}

/// Ids separated by spaces or commas.
///
/// - Throws: `usage` naming the first one that is no id below `count`.
func parseIDs(_ text: String, below count: Int) throws(LMToolError) -> [Int32] {
  var ids: [Int32] = []
  for word in text.split(whereSeparator: { $0 == " " || $0 == "," || $0.isNewline }) {
    guard let id = Int32(word), id >= 0, Int(id) < count else {
      throw LMToolError(.usage, "\(String(word).printable) is not a token id from 0 to \(count - 1)")
    }
    ids.append(id)
  }
  return ids
}
