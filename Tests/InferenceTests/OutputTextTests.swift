import Inference
import Testing
import Tokenizers

/// What is shown while tokens come: whole characters, and nothing of a stop string.
struct OutputTextTests {
  /// Feeds the tokens of `text` one by one; returns the pieces shown.
  private func pieces(of text: String, stops: [String] = []) throws -> (pieces: [String], isStopped: Bool) {
    let tokenizer = try Stories.shared.get().tokenizer
    var output = OutputText(tokenizer, stopStrings: stops)
    var pieces: [String] = []
    var isStopped = false
    for token in tokenizer.encode(text, addSpecial: false) where !isStopped {
      isStopped = output.append(token)
      pieces.append(output.take())
    }
    output.finish()
    pieces.append(output.take())
    #expect(output.text == pieces.joined())
    return (pieces, isStopped)
  }

  @Test func charactersComeWhole() throws {
    let (pieces, _) = try pieces(of: "Zoë 😀模")
    #expect(pieces.joined() == " Zoë 😀模")
    #expect(pieces.allSatisfy { !$0.unicodeScalars.contains("\u{FFFD}") })
    #expect(pieces.count { $0.isEmpty } >= 6, "bytes of a character that is not complete show nothing")
  }

  @Test func halfACharacterAtTheEndIsReplaced() throws {
    let tokenizer = try Stories.shared.get().tokenizer
    let tokens = tokenizer.encode("a😀", addSpecial: false)
    var output = OutputText(tokenizer, stopStrings: [])
    for token in tokens.dropLast() { _ = output.append(token) }
    output.finish()
    #expect(output.take() == " a\u{FFFD}")
  }

  @Test(arguments: ["named", "l named L", "girl named Lily", " ", "😀", "."]) func stopStringsAreNotShown(stop: String) throws {
    let text = "a girl named Lily 😀."
    let (pieces, isStopped) = try pieces(of: text, stops: [stop])
    #expect(isStopped)
    let spaced = " " + text
    let end = try #require(spaced.firstRange(of: stop)).lowerBound
    #expect(pieces.joined() == spaced[..<end])
  }

  @Test func theFirstOfSeveralStopStringsCounts() throws {
    #expect(try pieces(of: "one two three", stops: ["three", "two", ""]).pieces.joined() == " one ")
    #expect(try pieces(of: "one two three", stops: ["o three", "two three"]).pieces.joined() == " one ")
  }

  @Test func whatOnlyLooksLikeAStopStringIsReleased() throws {
    let text = "a girl named Lily"
    for stop in ["girl named Tom", "Lily!", "named Lily and", "aaa"] {
      let (pieces, isStopped) = try pieces(of: text, stops: [stop])
      #expect(!isStopped)
      #expect(pieces.joined() == " " + text)
    }
  }

  @Test func heldBackTextIsNotShownBeforeItIsClear() throws {
    let (pieces, _) = try pieces(of: "a girl named Lily", stops: ["girl named Lily and"])
    let last = try #require(pieces.last)
    #expect(last == "girl named Lily")
    #expect(pieces.dropLast().joined() == " a ")
  }

  @Test func repeatedStartsOfAStopStringAreFound() throws {
    #expect(try pieces(of: "aaaab", stops: ["aab"]).pieces.joined() == " aa")
  }

  @Test func aLineFeedStopsAfterACarriageReturn() throws {
    let (pieces, isStopped) = try pieces(of: "one\r\ntwo", stops: ["\n"])
    #expect(isStopped)
    #expect(pieces.joined() == " one\r")
  }
}
