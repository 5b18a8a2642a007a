import Kernels
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@Suite(.serialized) struct AttentionTests {
  /// What one call of `attend` is asked for.
  struct Work {
    var heads = 3
    var tokens = 1
    var position = 0
    var window: Int?
    var softcap: Float?
    /// Floats between the outputs of two heads that no head may touch.
    static let gap = 5
  }

  /// A head's cache and what was stored in it.
  struct Context {
    let cache: HeadCache
    let size: Int
    var keys: [[Float]] = []
    var values: [[Float]] = []

    init(_ format: CacheFormat, size: Int, capacity: Int) {
      self.size = size
      cache = HeadCache(format: format, size: size, capacity: capacity)
    }

    mutating func append(_ key: [Float], _ value: [Float]) {
      cache.store(keys.count, key: key, value: value)
      keys.append(key)
      values.append(value)
    }

    /// Outputs of all tokens and heads, one after the other, from calls of `step` tokens; the gaps must stay as they were.
    func attend(_ queries: [Float], _ work: Work, step: Int? = nil) -> [Float] {
      let width = work.heads * size, stride = width + Work.gap
      var output = [Float](repeating: 7, count: work.tokens * stride)
      let scratch = UnsafeMutableRawPointer.allocate(byteCount: HeadCache.scratchBytes(size: size), alignment: 64)
      defer { scratch.deallocate() }
      memset(scratch, 0xFF, HeadCache.scratchBytes(size: size))
      for token in Swift.stride(from: 0, to: work.tokens, by: step ?? work.tokens) {
        queries.withUnsafeBufferPointer { queries in
          output.withUnsafeMutableBufferPointer { output in
            cache.attend(
              queries.baseAddress! + token * width, stride: width, heads: work.heads,
              tokens: min(step ?? work.tokens, work.tokens - token), position: work.position + token, window: work.window,
              scale: 0.25, softcap: work.softcap, scratch: scratch, into: output.baseAddress! + token * stride,
              outputStride: stride)
          }
        }
      }
      return (0..<work.tokens).flatMap { token in
        #expect(output[token * stride + width..<(token + 1) * stride].allSatisfy { $0 == 7 })
        return output[token * stride..<token * stride + width]
      }
    }

    /// The output of one query, in double precision.
    func exact(_ query: ArraySlice<Float>, at position: Int, _ work: Work) -> [Double] {
      let seen = max(0, position + 1 - (work.window ?? .max))...position
      let scores = seen.map { p in
        let score = 0.25 * zip(query, keys[p]).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        return work.softcap.map { Double($0) * tanh(score / Double($0)) } ?? score
      }
      let weights = scores.map { exp($0 - scores.max()!) }, total = weights.reduce(0, +)
      return (0..<size).map { index in zip(weights, seen).reduce(0.0) { $0 + $1.0 * Double(values[$1.1][index]) } / total }
    }
  }

  /// A context of random keys and values in -1...1 that `format` holds without loss.
  func context(_ format: CacheFormat, size: Int, positions: Int) -> Context {
    var noise = Noise(UInt64(size * 1000 + positions)), context = Context(format, size: size, capacity: positions)
    let levels: Float =
      switch format {
      case .f32: 0x1p20
      case .f16: 0x1p10
      case .int8: 127
      case .int4: 7
      }
    func row() -> [Float] { [1] + noise.floats(size - 1).map { ($0 * levels).rounded() / levels } }
    for _ in 0..<positions { context.append(row(), row()) }
    return context
  }

  func queries(_ work: Work, size: Int) -> [Float] {
    var noise = Noise(UInt64(work.tokens * 100 + work.heads))
    return noise.floats(work.tokens * work.heads * size).map { $0 * 3 }
  }

  static let sizes = [1, 5, 16, 17, 32, 33, 48, 64, 80, 96, 112, 128, 256]

  @Test(arguments: CacheFormat.allCases, sizes) func attentionMatchesItsDefinition(format: CacheFormat, size: Int) {
    for work in [
      Work(heads: 3, tokens: 37), Work(heads: 1, tokens: 14, position: 120), Work(heads: 7, tokens: 1, position: 300),
      Work(heads: 2, tokens: 9, position: 125, window: 6), Work(heads: 16, tokens: 2, position: 199, window: 100),
      Work(heads: 4, tokens: 5, position: 40, softcap: 2),
    ] {
      let context = context(format, size: size, positions: work.position + work.tokens), queries = queries(work, size: size)
      let result = agreed("attention of \(size), \(format), \(work)") { context.attend(queries, work) }
      for row in 0..<work.tokens * work.heads {
        let part = row * size..<(row + 1) * size
        let exact = context.exact(queries[part], at: work.position + row / work.heads, work)
        #expect(zip(result[part], exact).allSatisfy { abs(Double($0) - $1) < 1e-5 }, "row \(row) of \(work)")
      }
    }
  }

  @Test(arguments: CacheFormat.allCases, [nil, 1, 13, 128, 200])
  func aQueryDoesNotDependOnTheOnesBesideIt(format: CacheFormat, window: Int?) {
    let work = Work(heads: 3, tokens: 270, position: 7, window: window)
    let context = context(format, size: 24, positions: 277), queries = queries(work, size: 24)
    let result = agreed("many at once") { context.attend(queries, work) }
    for step in [1, 5, 64, 200] {
      #expect(agreed("\(step) at a time") { context.attend(queries, work, step: step) } == result)
    }
  }

  @Test(arguments: CacheFormat.allCases) func headsMayBeDividedAmongCalls(format: CacheFormat) {
    let context = context(format, size: 40, positions: 150), work = Work(heads: 14, tokens: 1, position: 149)
    let queries = queries(work, size: 40)
    let together = context.attend(queries, work)
    for head in 0..<14 {
      let alone = context.attend(Array(queries[head * 40..<(head + 1) * 40]), Work(heads: 1, tokens: 1, position: 149))
      #expect(alone == Array(together[head * 40..<(head + 1) * 40]))
    }
  }

  /// Rows of a text that was longer once stay in the cache; so does what the allocator left there.
  @Test(arguments: CacheFormat.allCases) func whatLiesBeyondAPositionDoesNotMatter(format: CacheFormat) {
    let work = Work(heads: 3, tokens: 20, position: 110)
    let clean = context(format, size: 32, positions: 300), used = context(format, size: 32, positions: 300)
    let queries = queries(work, size: 32), broken = [Float](repeating: .infinity, count: 32)
    let expected = clean.attend(queries, work)
    for position in 130..<300 { used.cache.store(position, key: broken, value: broken) }
    #expect(agreed("infinite rows beyond") { used.attend(queries, work) } == expected)
  }

  /// A position that is not finite reaches those that see it, and none before or beyond the window.
  @Test(arguments: [CacheFormat.f32, .f16]) func aBrokenPositionIsNeitherHiddenNorSpread(format: CacheFormat) {
    let work = Work(heads: 3, tokens: 60, position: 100, window: 20), clean = context(format, size: 48, positions: 160)
    let queries = queries(work, size: 48), expected = clean.attend(queries, work)
    let broken = [Float](repeating: .nan, count: 48)
    for (key, value) in [(broken, clean.values[125]), (clean.keys[125], broken)] {
      let other = context(format, size: 48, positions: 160)
      other.cache.store(125, key: key, value: value)
      onEveryInstructionSet { set in
        let result = other.attend(queries, work)
        for row in 0..<work.tokens * work.heads {
          let part = row * 48..<(row + 1) * 48
          if (125..<145).contains(100 + row / work.heads) {
            #expect(result[part].allSatisfy { $0.isNaN }, "row \(row) on \(set)")
          } else {
            #expect(result[part] == expected[part], "row \(row) on \(set)")
          }
        }
      }
    }
  }

  /// Each chunk holds a larger score than the ones before, or a smaller one.
  @Test(arguments: [true, false]) func theLargestScoreMayComeAnywhere(isRising: Bool) {
    var context = Context(.f32, size: 16, capacity: 1000), noise = Noise(3)
    for position in 0..<1000 {
      context.append([Float(isRising ? position : 1000 - position)] + [Float](repeating: 0, count: 15), noise.floats(16))
    }
    let work = Work(heads: 1, tokens: 1, position: 999), query = [1] + [Float](repeating: 0, count: 15)
    let result = agreed("scores that grow or fall") { context.attend(query, work) }
    let exact = context.exact(query[...], at: 999, work)
    #expect(zip(result, exact).allSatisfy { abs(Double($0) - $1) < 1e-5 })
  }

  @Test func aPositionCostsWhatItsElementsTake() {
    let cost = { (format: CacheFormat, size: Int) in HeadCache(format: format, size: size, capacity: 100).bytesPerPosition }
    #expect(cost(.f32, 64) == 512 && cost(.f16, 64) == 256 && cost(.int8, 64) == 136 && cost(.int4, 64) == 72)
    #expect(cost(.f16, 80) == 320 && cost(.f16, 5) == 42 && cost(.int4, 5) == 27)
  }
}
