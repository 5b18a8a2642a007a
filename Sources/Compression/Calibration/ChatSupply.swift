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

  /// Bytes of a line.
  private static let longestLine = 4 << 20

  /// - Throws: `missingInput`; `badInput` when the file is empty, or a line is no conversation.
  init(path: String, source: ModelSource, tokenizer: Tokenizer, tokens wanted: Int) throws(LMToolError) {
    self.path = path
    let file = try MappedFile(path: path)
    guard file.count > 0 else { throw LMToolError(.badInput, "the file is empty; calibration needs conversations", file: path) }
    let lines = Self.lines(of: file)
    let format = ChatFormat(source, tokenizer)
    var conversations: [[Int32]] = [], tokens = 0
    // Twice what is wanted, since conversations are cut at the ends of windows.
    for index in Self.spread(lines.count) where tokens < 2 * wanted {
      do throws(LMToolError) {
        let ids = try Self.read(lines[index], of: file, format)
        conversations.append(ids)
        tokens += ids.count
      } catch { throw error.within(file: path).at(line: index + 1) }
    }
    self.conversations = conversations
    warnings =
      format.isPlain ? ["\(path.printable): the model has no chat format that is known; messages are joined as plain text"] : []
  }

  private static func read(_ line: Range<Int>, of file: MappedFile, _ format: ChatFormat) throws(LMToolError) -> [Int32] {
    guard line.count <= longestLine else { throw LMToolError(.badInput, "the line has more than \(longestLine) bytes") }
    let messages = try file.withBytes(line) { (bytes) throws(LMToolError) in try Conversation.messages(of: bytes) }
    return format.tokens(of: messages)
  }

  /// The lines that are not blank.
  private static func lines(of file: MappedFile) -> [Range<Int>] {
    file.withBytes(0..<file.count) { bytes in
      var lines: [Range<Int>] = [], start = 0
      while start < bytes.count {
        let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
        if bytes[start..<end].contains(where: { $0 > 32 }) { lines.append(start..<end) }
        start = end + 1
      }
      return lines
    }
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

  private func packed(length: Int) -> [[Int32]] {
    var windows: [[Int32]] = [], window: [Int32] = []
    for conversation in conversations {
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
    return windows
  }
}

extension LMToolError {
  /// The same error, said of a line.
  fileprivate func at(line: Int) -> LMToolError {
    var error = self
    error.message = "line \(line): " + message
    return error
  }
}
