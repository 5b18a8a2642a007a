import ArgumentParser
import Artifacts
import Inference
import Models
import Tensors
import Tokenizers

extension LMTool {
  /// `lmtool chat`.
  struct Chat: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Talk with a chat model.",
      discussion: """
        Reads a line, answers, and remembers the conversation. The model's own chat template is used; where it has none, \
        name one with --template. With -p one question is answered and the command ends. An empty line or Ctrl-D ends the conversation. When the context is full, its first \
        --keep tokens and the latest half stay.

          lmtool chat smollm2.lmz
          lmtool chat smollm2.lmz -p "What is gravity?" --temperature 0
        """)

    @Argument(help: "A chat model of any kind.", completion: .file())
    var model: String
    @Option(name: [.short, .long], help: "Answer this and end.")
    var prompt: String?
    @Option(help: "What the model is told before the conversation.")
    var system: String?
    @Option(help: ArgumentHelp("The chat format: \(ChatTemplate.allNames.joined(separator: ", "))."))
    var template: String?
    @OptionGroup var talk: TalkOptions

    func run() throws {
      talk.threads.apply()
      let console = talk.speech.console
      if let template { try Self.check(template) }
      let source = try ModelSource.open(model, tokenizer: talk.tokenizer)
      let template = try Self.template(of: source, named: template)
      let talker = try Talker(source, talk, stops: template.stopStrings, console: console)
      var messages = system.map { [ChatMessage(role: .system, content: $0)] } ?? []
      if let prompt { return try answer(prompt, &messages, template, talker, console) }
      while let line = Self.question(console), !line.isEmpty { try answer(line, &messages, template, talker, console) }
    }

    private func answer(
      _ question: String, _ messages: inout [ChatMessage], _ template: ChatTemplate, _ talker: Talker, _ console: Console
    ) throws {
      messages.append(ChatMessage(role: .user, content: question))
      let ids = talker.tokenizer.encode(
        try template.prompt(messages: messages, addGenerationPrompt: true, date: .now()))
      let report = try talker.generator.generate(ids) { console.stream($0) }
      console.print()
      console.note(report.rates)
      messages.append(ChatMessage(role: .assistant, content: report.text))
    }

    private static func question(_ console: Console) -> String? {
      console.prompt("> ")
      return readLine()
    }

    private static func check(_ name: String) throws(LMToolError) {
      guard !ChatTemplate.allNames.contains(name) else { return }
      throw LMToolError(
        .usage, "there is no template \(name.printable); choose one of \(ChatTemplate.allNames.joined(separator: ", "))")
    }

    private static func template(of source: ModelSource, named name: String?) throws(LMToolError) -> ChatTemplate {
      if let name, let template = try ChatTemplate.named(name, tokenizer: source.tokenizer) { return template }
      guard let template = try source.makeChatTemplate() else {
        throw LMToolError(
          .usage, "the model has no chat template; name one with --template, or use lmtool run to continue a text",
          file: source.path)
      }
      return template
    }
  }
}
