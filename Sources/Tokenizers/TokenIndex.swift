import Tensors

/// A hash table from bytes to a number: the id of a token, or the place of a cached word.
///
/// The bytes are kept by the owner; the table compares through a closure that finds them again.
struct TokenIndex: Sendable {
  private var slots: [Entry]
  private var mask: Int
  private(set) var count = 0
  private let seed: UInt64

  private struct Entry {
    var hash: UInt32
    var value: Int32
  }

  /// An empty table for about `capacity` entries.
  init(capacity: Int) {
    var size = 64
    while size < capacity * 2 { size *= 2 }
    slots = [Entry](repeating: Entry(hash: 0, value: -1), count: size)
    mask = size - 1
    seed = UInt64.random(in: 1...UInt64.max)
  }

  /// The hash of a run of bytes, seeded so that hostile input cannot choose collisions.
  @inline(__always)
  func hash(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    var state = seed ^ UInt64(truncatingIfNeeded: bytes.count)
    var offset = 0
    while offset + 8 <= bytes.count {
      state = Self.mix(state ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self), seed)
      offset += 8
    }
    var tail: UInt64 = 0
    while offset < bytes.count {
      tail = tail << 8 | UInt64(bytes[offset])
      offset += 1
    }
    return UInt32(truncatingIfNeeded: Self.mix(state ^ tail, seed) >> 16)
  }

  @inline(__always)
  private static func mix(_ value: UInt64, _ seed: UInt64) -> UInt64 {
    let product = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15 ^ (seed << 1))
    return product.high ^ product.low
  }

  /// The number stored for `hash` whose bytes `matches` accepts.
  @inline(__always)
  func find(_ hash: UInt32, _ matches: (Int32) -> Bool) -> Int32? {
    var index = Int(hash) & mask
    while slots[index].value >= 0 {
      if slots[index].hash == hash, matches(slots[index].value) { return slots[index].value }
      index = (index + 1) & mask
    }
    return nil
  }

  /// Stores a number that is not there yet.
  mutating func insert(_ hash: UInt32, _ value: Int32) {
    if count * 2 >= slots.count { grow() }
    count += 1
    place(Entry(hash: hash, value: value))
  }

  private mutating func place(_ entry: Entry) {
    var index = Int(entry.hash) & mask
    while slots[index].value >= 0 { index = (index + 1) & mask }
    slots[index] = entry
  }

  private mutating func grow() {
    let old = slots
    slots = [Entry](repeating: Entry(hash: 0, value: -1), count: old.count * 2)
    mask = slots.count - 1
    for entry in old where entry.value >= 0 { place(entry) }
  }
}

/// The tokens that text can become, by their bytes.
struct TokenLookup: Sendable {
  private let vocabulary: Vocabulary
  private var index: TokenIndex

  /// Finds the tokens of `vocabulary` whose type is among `types`.
  ///
  /// - Throws: `badInput` (TOK-2) when two of them have the same bytes.
  init(_ vocabulary: Vocabulary, types: Set<TokenType>) throws(LMToolError) {
    self.vocabulary = vocabulary
    index = TokenIndex(capacity: vocabulary.count)
    let isWanted = TokenType.allCases.reduce(into: [Bool](repeating: false, count: 8)) {
      $0[Int($1.rawValue)] = types.contains($1)
    }
    let failure: LMToolError? = vocabulary.bytes.withUnsafeBytes { all in
      for id in 0..<vocabulary.count where isWanted[Int(vocabulary.type(of: id).rawValue)] {
        let token = UnsafeRawBufferPointer(rebasing: all[vocabulary.range(of: id)])
        if let failure = add(id, token, all) { return failure }
      }
      return nil
    }
    if let failure { throw failure }
  }

  private mutating func add(_ id: Int, _ token: UnsafeRawBufferPointer, _ all: UnsafeRawBufferPointer) -> LMToolError? {
    if token.isEmpty { return nil }
    let hash = index.hash(token)
    let twin = index.find(hash) { token.hasSameBytes(as: UnsafeRawBufferPointer(rebasing: all[vocabulary.range(of: Int($0))])) }
    if let twin {
      return .tokenizer("tokens \(twin) and \(id) are both spelled \"\(vocabulary.text(of: id).printable)\"", rule: 2)
    }
    index.insert(hash, Int32(id))
    return nil
  }

  /// The token spelled `bytes`.
  func id(of bytes: UnsafeRawBufferPointer) -> Int32? {
    vocabulary.bytes.withUnsafeBytes { all in
      index.find(index.hash(bytes)) {
        bytes.hasSameBytes(as: UnsafeRawBufferPointer(rebasing: all[vocabulary.range(of: Int($0))]))
      }
    }
  }

  /// The token spelled `bytes`.
  func id(of bytes: some Collection<UInt8>) -> Int32? {
    if let id = bytes.withContiguousStorageIfAvailable({ self.id(of: UnsafeRawBufferPointer($0)) }) { return id }
    return Array(bytes).withUnsafeBytes { id(of: $0) }
  }
}
