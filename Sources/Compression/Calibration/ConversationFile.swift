import Tensors
import Tokenizers

/// A file of conversations, one JSON object to the line; blank lines are skipped.
struct ConversationFile {
  private let file: MappedFile
  /// The lines that are not blank, with their numbers from 1.
  private let lines: [(number: Int, bytes: Range<Int>)]

  /// Bytes of a line.
  private static let longestLine = 4 << 20

  /// - Throws: `missingInput`; `badInput` when the file is empty.
  init(path: String) throws(LMToolError) {
    file = try MappedFile(path: path)
    lines = Self.lines(of: file)
    guard !lines.isEmpty else {
      throw LMToolError(.badInput, "the file is empty; it must hold conversations, one JSON object to the line", file: path)
    }
  }

  /// Conversations in all.
  var count: Int { lines.count }

  /// A conversation.
  ///
  /// - Throws: `badInput` when its line is too long, or is no conversation.
  func messages(_ index: Int) throws(LMToolError) -> [ChatMessage] {
    try read(index) { (bytes) throws(LMToolError) in try Conversation.messages(of: bytes) }
  }

  /// A conversation or a text.
  ///
  /// - Throws: as `messages`.
  func example(_ index: Int) throws(LMToolError) -> Conversation.Example {
    try read(index) { (bytes) throws(LMToolError) in try Conversation.example(of: bytes) }
  }

  /// Does something with an example, its errors being said of the line.
  func reading<Result>(_ index: Int, _ body: () throws(LMToolError) -> Result) throws(LMToolError) -> Result {
    do throws(LMToolError) { return try body() } catch { throw error.within(file: file.path).at(line: lines[index].number) }
  }

  private func read<Result>(
    _ index: Int, _ body: (UnsafeRawBufferPointer) throws(LMToolError) -> Result
  ) throws(LMToolError) -> Result {
    let line = lines[index]
    do throws(LMToolError) {
      guard line.bytes.count <= Self.longestLine else {
        throw LMToolError(.badInput, "the line has more than \(Self.longestLine) bytes")
      }
      return try file.withBytes(line.bytes, body)
    } catch { throw error.within(file: file.path).at(line: line.number) }
  }

  private static func lines(of file: MappedFile) -> [(number: Int, bytes: Range<Int>)] {
    file.withBytes(0..<file.count) { bytes in
      var lines: [(number: Int, bytes: Range<Int>)] = [], start = 0, number = 1
      while start < bytes.count {
        let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
        if bytes[start..<end].contains(where: { $0 > 32 }) { lines.append((number, start..<end)) }
        start = end + 1
        number += 1
      }
      return lines
    }
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
