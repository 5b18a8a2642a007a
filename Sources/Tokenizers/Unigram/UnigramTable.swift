/// The pieces of a unigram model: of all ways to cut a text, the one whose scores add up to most (TOK-17).
struct UnigramTable: Sendable {
  private let pieces: TokenLookup
  private let scores: [Float]
  private let isUserDefined: [Bool]
  private let unknown: Int32
  /// The score of a character without a piece.
  private let unknownScore: Float
  private let longest: Int
  /// Sums are floats, as SentencePiece has them; else doubles, as `tokenizers` has them.
  private let sumsFloats: Bool

  init(_ definition: TokenizerDefinition, _ pieces: TokenLookup, sumsFloats: Bool) {
    let vocabulary = definition.vocabulary
    self.pieces = pieces
    self.sumsFloats = sumsFloats
    scores = definition.scores
    isUserDefined = (0..<vocabulary.count).map { vocabulary.type(of: $0) == .userDefined }
    unknown = definition.unknown ?? -1
    // SentencePiece looks at ordinary pieces, `tokenizers` at all.
    let counted = (0..<vocabulary.count).filter { !sumsFloats || vocabulary.type(of: $0) == .normal }.map {
      definition.scores[$0]
    }
    unknownScore = (counted.min() ?? 0) - 10
    longest = (0..<vocabulary.count).map { vocabulary[$0].count }.max() ?? 0
  }

  /// The best way to a place: its last piece, where that starts, the sum up to there.
  private struct Step {
    var piece: Int32 = -1
    var start = -1
    var sum = 0.0
  }

  /// The pieces of `text`, unknown characters one by one, with where each lies.
  func cut(_ text: UnsafeRawBufferPointer) -> [(piece: Int32, bytes: Range<Int>)] {
    var steps = [Step](repeating: Step(), count: text.count + 1)
    var start = 0
    var frontier = 0
    while start < text.count {
      if sumsFloats, abs(steps[start].sum) > Self.largestSum { restart(at: start, through: frontier, &steps) }
      let character = text.characterLength(at: start)
      var hasCharacter = false
      var end = start
      while end < text.count, end - start < longest {
        end += text.characterLength(at: end)
        guard let piece = pieces.id(of: UnsafeRawBufferPointer(rebasing: text[start..<end])) else { continue }
        offer(piece, start..<end, score(piece, length: end - start), &steps)
        frontier = max(frontier, end)
        hasCharacter = hasCharacter || end - start == character
      }
      if !hasCharacter { offer(unknown, start..<(start + character), Double(unknownScore), &steps) }
      start += character
      frontier = max(frontier, start)
    }
    var result: [(piece: Int32, bytes: Range<Int>)] = []
    var end = text.count
    while end > 0 {
      result.append((steps[end].piece, steps[end].start..<end))
      end = steps[end].start
    }
    return result.reversed()
  }

  /// Beyond this SentencePiece counts from 0 again, for floats would lose too many digits.
  private static let largestSum = 100_000.0

  /// Counts sums from `start` on.
  private func restart(at start: Int, through frontier: Int, _ steps: inout [Step]) {
    let offset = Float(steps[start].sum)
    for index in start...max(start, frontier) where index == start || steps[index].start >= 0 {
      steps[index].sum = Double(Float(steps[index].sum) - offset)
    }
  }

  /// The score of a piece; what a user defined is always taken.
  private func score(_ piece: Int32, length: Int) -> Double {
    isUserDefined[Int(piece)] ? Double(Float(0.1 * Double(length - 1))) : Double(scores[Int(piece)])
  }

  /// Takes a piece where it is better than what leads to its end so far.
  private func offer(_ piece: Int32, _ bytes: Range<Int>, _ score: Double, _ steps: inout [Step]) {
    var sum = score + steps[bytes.lowerBound].sum
    if sumsFloats { sum = Double(Float(sum)) }
    guard steps[bytes.upperBound].start < 0 || sum > steps[bytes.upperBound].sum else { return }
    steps[bytes.upperBound] = Step(piece: piece, start: bytes.lowerBound, sum: sum)
  }
}
