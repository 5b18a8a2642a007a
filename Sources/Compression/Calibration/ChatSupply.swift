import Models
import Tensors
import Tokenizers

/// Windows of conversations in the model's own chat format, one JSON object to the line.
///
/// A window begins with a conversation and holds as many as fit; one that is cut goes on in the next window where at least half a window
/// of it is left.
struct ChatSupply: WindowSupply {
  let path: String
  let warnings: [String]
  /// The tokens of the conversations that were chosen, those of any number of first ones spread evenly over the file.
  private let conversations: [[Int32]]

  /// - Throws: `missingInput`; `badInput` when the file is empty, or a line is no conversation.
  init(path: String, source: ModelSource, tokenizer: Tokenizer, tokens wanted: Int) throws(LMToolError) {
    self.path = path
    let file = try ConversationFile(path: path)
    let format = ChatFormat(source, tokenizer)
    var conversations: [[Int32]] = [], tokens = 0
    // Twice what is wanted, since conversations are cut at the ends of windows.
    for index in Self.spread(file.count) where tokens < 2 * wanted {
      let example = try file.example(index)
      let ids = try file.reading(index) { () throws(LMToolError) in try format.tokens(of: example) }
      conversations.append(ids)
      tokens += ids.count
    }
    self.conversations = conversations
    warnings =
      format.isPlain ? ["\(path.printable): the model has no chat format that is known; messages are joined as plain text"] : []
  }

  /// All numbers below `count`, in an order whose first ones are always spread evenly: by their bits, backwards.
  static func spread(_ count: Int) -> [Int] {
    let bits = Int.bitWidth - max(0, count - 1).leadingZeroBitCount
    return (0..<1 << bits).compactMap { index in
      var reversed = 0
      for bit in 0..<bits where index >> bit & 1 == 1 { reversed |= 1 << (bits - 1 - bit) }
      return reversed < count ? reversed : nil
    }
  }

  func available(length: Int) -> Int { packed(length: length).count }

  func windows(_ count: Int, length: Int) -> [[Int32]] { Array(packed(length: length).prefix(count)) }

  private func packed(length: Int) -> [[Int32]] { Self.packed(conversations, length: length).whole }

  /// Windows of `length` elements of the examples, and what the last one would begin with.
  static func packed<Element>(_ examples: [[Element]], length: Int) -> (whole: [[Element]], rest: [Element]) {
    var windows: [[Element]] = [], window: [Element] = []
    for conversation in examples {
      var rest = conversation[...]
      while window.isEmpty ? 2 * rest.count >= length || rest.count == conversation.count : !rest.isEmpty {
        let taken = rest.prefix(length - window.count)
        window += taken
        rest = rest.dropFirst(taken.count)
        if window.count < length { break }
        windows.append(window)
        window = []
      }
    }
    return (windows, window)
  }
}
