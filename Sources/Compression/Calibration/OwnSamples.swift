import Inference
import Kernels
import Models
import Tensors
import Tokenizers

/// Text that a model writes itself, which needs no data: continuations of frequent words, and for chat models in every other window
/// answers to short questions. All windows are sampled side by side, each from random numbers of its own.
struct OwnSamples {
  private let source: ModelSource
  private let count: Int
  private let length: Int
  private let seed: UInt64
  private let tokenizer: Tokenizer
  private let format: ChatFormat
  /// What chat models are asked.
  private let questions: [String]
  /// Whether every window asks, rather than every other.
  private let onlyAsks: Bool

  /// Bytes that the keys and values of windows under way may take.
  private static let memory = 300_000_000

  /// - Parameter questions: what chat models are asked in every window, rather than what they are asked usually in every other.
  /// - Throws: `missingInput` when the model has no tokenizer.
  init(
    _ source: ModelSource, windows: Int, length: Int, seed: UInt64, questions: [String]? = nil
  ) throws(LMToolError) {
    self.questions = questions ?? sampleQuestions
    onlyAsks = questions != nil
    self.source = source
    count = windows
    self.length = length
    self.seed = seed
    tokenizer = try source.makeTokenizer()
    format = ChatFormat(source, tokenizer)
  }

  /// Whether the model has a chat format to be asked in.
  var canAsk: Bool { !format.isPlain }

  /// The windows.
  func sample(progress: ProgressConsumer?) throws(LMToolError) -> [[Int32]] { try drafts(progress: progress).map(\.tokens) }

  /// The texts of the windows, in their order. An answer that has no end is left out: it would teach to stop anywhere.
  func texts(progress: ProgressConsumer?) throws(LMToolError) -> [OwnText] {
    try drafts(progress: progress).flatMap { draft in
      draft.parts.compactMap { part in
        guard part.question == nil || part.isEnded else { return nil }
        let ids = draft.tokens[(part.question == nil ? part.start : min(part.answer, draft.tokens.count))..<part.end]
        let text = String(decoding: tokenizer.decode(Array(ids), skipSpecial: true), as: UTF8.self)
        return text.isEmpty ? nil : OwnText(question: part.question, text: text)
      }
    }
  }

  private func drafts(progress: ProgressConsumer?) throws(LMToolError) -> [Draft] {
    let model = try model(progress)
    let starts = Starts(tokenizer, vocabulary: source.spec.vocabularySize)
    let together = max(1, min(64, count, Self.memory / max(1, LockstepPass.bytes(source.spec, capacity: length))))
    var windows: [Draft] = []
    while windows.count < count {
      let numbers = windows.count..<min(windows.count + together, count)
      var drafts = numbers.map { draft($0, starts) }
      run(&drafts, model) { done in
        progress?(
          ProgressUpdate(stage: "samples", done: numbers.lowerBound * length + done, total: count * length, unit: .tokens))
      }
      windows += drafts
    }
    return windows
  }

  /// The model, its floats rounded where they can be: for text to calibrate on that makes no difference but in time.
  private func model(_ progress: ProgressConsumer?) throws(LMToolError) -> Transformer {
    do throws(LMToolError) {
      return try Transformer(source.rounded(), progress: progress)
    } catch { return try Transformer(source, progress: progress) }
  }

  private func draft(_ number: Int, _ starts: Starts) -> Draft {
    let isChat = !format.isPlain && (onlyAsks || number % 2 == 1)
    return Draft(
      seed: seed &* 1_000_003 &+ UInt64(number), ends: source.endTokens, longestAnswer: isChat ? length / 2 : Int.max
    ) { random in
      guard isChat else { return Draft.Opening(tokens: starts.draw(&random), question: nil) }
      let question = random.element(of: questions)
      return Draft.Opening(tokens: format.tokens(asking: question), question: question)
    }
  }

  private func run(_ drafts: inout [Draft], _ model: Transformer, progress: (Int) -> Void) {
    let pass = LockstepPass(model, texts: drafts.count, capacity: length), vocabulary = model.spec.vocabularySize
    var logits: Logits?
    for position in 0..<length {
      drafts.withUnsafeMutableBufferPointer { drafts in
        nonisolated(unsafe) let drafts = drafts
        ThreadPool.shared.forEach(drafts.count) { index in
          drafts[index].append { sampler in
            guard let logits else { return 0 }
            return logits.withUnsafeBufferPointer { all in
              sampler.sample(
                Logits(UnsafeBufferPointer(rebasing: all[index * vocabulary..<(index + 1) * vocabulary]), owner: pass))
            }
          }
        }
      }
      if position + 1 < length { logits = pass.run(drafts.map { $0.tokens[position] }) }
      progress((position + 1) * drafts.count)
    }
  }
}

/// A text that a model wrote.
struct OwnText {
  /// What it answers; nil for a text of its own.
  var question: String?
  /// What was written.
  var text: String
}

/// A window under way.
private struct Draft {
  /// What is prescribed before the model goes on.
  struct Opening {
    var tokens: [Int32]
    var question: String?
  }

  /// A text of the window: where it begins, where the model goes on, and where it ends, the token of the end excluded.
  struct Part {
    var question: String?
    var start: Int
    var answer: Int
    var end: Int
    var isEnded = false
  }

  var tokens: [Int32] = []
  private(set) var parts: [Part] = []
  private var sampler: Sampler
  private var random: Random
  private let ends: Set<Int32>
  private let longestAnswer: Int
  private let begin: (inout Random) -> Opening
  /// What is written before the model goes on, backwards.
  private var forced: [Int32] = []
  private var answered = 0

  init(seed: UInt64, ends: Set<Int32>, longestAnswer: Int, begin: @escaping (inout Random) -> Opening) {
    var options = SamplingOptions()
    options.temperature = 0.9
    options.topK = 200
    options.topP = 1
    options.minP = 0
    options.seed = seed
    sampler = Sampler(options)
    random = Random(seed: ~seed)
    self.ends = ends
    self.longestAnswer = longestAnswer
    self.begin = begin
    open()
  }

  private mutating func open() {
    let opening = begin(&random)
    forced = opening.tokens.reversed()
    parts.append(
      Part(question: opening.question, start: tokens.count, answer: tokens.count + opening.tokens.count, end: tokens.count))
  }

  /// Appends the next token: what is prescribed, or what the model says.
  mutating func append(sample: (inout Sampler) -> Int32) {
    if let next = forced.popLast() {
      tokens.append(next)
      parts[parts.count - 1].end = tokens.count
      return
    }
    let next = sample(&sampler)
    tokens.append(next)
    answered += 1
    let isEnd = ends.contains(next)
    if !isEnd { parts[parts.count - 1].end = tokens.count }
    parts[parts.count - 1].isEnded = isEnd
    if isEnd || answered >= longestAnswer {
      open()
      answered = 0
    }
  }
}

/// What a text of its own begins with: BOS where the model wants it, and a frequent word.
private struct Starts {
  private let bos: [Int32]
  private let words: [Int32]

  /// How many of the first, and so most frequent, words of a vocabulary are taken.
  private static let frequent = 1000

  init(_ tokenizer: Tokenizer, vocabulary: Int) {
    let definition = tokenizer.definition
    bos = definition.addsBOS ? definition.bos.map { [$0] } ?? [] : []
    let normal = (0..<min(vocabulary, definition.vocabulary.count)).filter { definition.vocabulary.type(of: $0) == .normal }
    let words = normal.filter { Self.isWord(definition.vocabulary.text(of: $0)) }
    self.words = (words.isEmpty ? normal : words).prefix(Self.frequent).map(Int32.init)
  }

  /// A capital letter and more letters, with or without a space before.
  private static func isWord(_ text: String) -> Bool {
    let word = text.hasPrefix("▁") || text.hasPrefix(" ") ? text.dropFirst() : text[...]
    return word.count > 1 && word.first?.isUppercase == true && word.allSatisfy(\.isLetter)
  }

  func draw(_ random: inout Random) -> [Int32] {
    if words.isEmpty { return bos.isEmpty ? [0] : bos }
    return bos + [random.element(of: words)]
  }
}

extension Random {
  /// One of the elements, of which there is at least one.
  fileprivate mutating func element<Element>(of elements: [Element]) -> Element {
    elements[Int(truncatingIfNeeded: next() % UInt64(elements.count))]
  }
}
