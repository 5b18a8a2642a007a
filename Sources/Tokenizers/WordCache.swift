/// The ids of the words of one text, so that a word that comes again is not merged again.
struct WordCache {
  private var index = TokenIndex(capacity: 512)
  private var words: [UInt8] = []
  private var entries: [Entry] = []
  private var ids: [Int32] = []

  private struct Entry {
    var start: UInt32
    var length: UInt32
    var firstID: UInt32
    var count: UInt32
  }

  /// Longer words are not kept, and no more than this many bytes in all.
  private static let longestWord = 64
  private static let capacity = 8 << 20

  /// Appends the ids of `word` to `output`; asks `encode` for those of a word that is new.
  mutating func append(
    _ word: UnsafeRawBufferPointer, to output: inout [Int32], encode: (UnsafeRawBufferPointer, inout [Int32]) -> Void
  ) {
    guard word.count <= Self.longestWord else { return encode(word, &output) }
    let hash = index.hash(word)
    if let place = find(word, hash) {
      let entry = entries[Int(place)]
      output.append(contentsOf: ids[Int(entry.firstID)..<Int(entry.firstID + entry.count)])
      return
    }
    let start = output.count
    encode(word, &output)
    keep(word, hash, output[start...])
  }

  private func find(_ word: UnsafeRawBufferPointer, _ hash: UInt32) -> Int32? {
    words.withUnsafeBytes { all in
      index.find(hash) { place in
        let entry = entries[Int(place)]
        return word.hasSameBytes(as: UnsafeRawBufferPointer(rebasing: all[Int(entry.start)..<Int(entry.start + entry.length)]))
      }
    }
  }

  private mutating func keep(_ word: UnsafeRawBufferPointer, _ hash: UInt32, _ tokens: ArraySlice<Int32>) {
    guard words.count + word.count <= Self.capacity else { return }
    index.insert(hash, Int32(entries.count))
    entries.append(
      Entry(
        start: UInt32(words.count), length: UInt32(word.count), firstID: UInt32(ids.count), count: UInt32(tokens.count)))
    words.append(contentsOf: word)
    ids.append(contentsOf: tokens)
  }
}
