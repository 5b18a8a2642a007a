import CKernels

/// How keys and values of past positions are held.
public enum CacheFormat: UInt32, Sendable, CaseIterable {
  case f32 = 0
  case f16 = 1
  /// Signed bytes, one scale for each head and position.
  case int8 = 2
  /// Two codes to the byte, one scale for each head and position.
  case int4 = 3
}

/// The keys and values of one key-value head of one layer, for a fixed number of positions.
public final class HeadCache: Sendable {
  /// Elements of a head.
  public let size: Int
  /// Bytes that one position costs, key and value together.
  public let bytesPerPosition: Int
  private nonisolated(unsafe) let cache: lmk_cache

  /// Space for `capacity` positions. It costs memory as positions are stored.
  public init(format: CacheFormat, size: Int, capacity: Int) {
    self.size = size
    let format = lmk_cache_format(format.rawValue), padded = Self.padded(size)
    let positions = LMK_CACHE_BLOCK, blocks = (capacity + positions - 1) / positions
    let blockBytes = lmk_cache_block_bytes(format, size), rowBytes = lmk_cache_row_bytes(format, padded)
    let hasScales = format == LMK_CACHE_INT8 || format == LMK_CACHE_INT4
    bytesPerPosition = blockBytes / positions + rowBytes + (hasScales ? 8 : 0)
    cache = lmk_cache(
      format: format, padded: padded,
      keys: .allocate(byteCount: blocks * blockBytes, alignment: 64),
      values: .allocate(byteCount: capacity * rowBytes, alignment: 64),
      key_scales: hasScales ? .allocate(capacity: blocks * positions) : nil,
      value_scales: hasScales ? .allocate(capacity: blocks * positions) : nil)
  }

  deinit {
    cache.keys.deallocate()
    cache.values.deallocate()
    cache.key_scales?.deallocate()
    cache.value_scales?.deallocate()
  }

  private static func padded(_ size: Int) -> Int { (size + 15) / 16 * 16 }

  /// Bytes of scratch that `attend` needs with heads of `size` elements, whatever the tokens and positions; a multiple of 64.
  public static func scratchBytes(size: Int) -> Int { lmk_attention_scratch_bytes(padded(size)) }

  /// Stores the key and value (`size` floats each) of a position.
  public func store(_ position: Int, key: UnsafePointer<Float>, value: UnsafePointer<Float>) {
    withUnsafePointer(to: cache) { lmk_cache_store($0, position, key, value, size) }
  }

  /// output = Σ softmax(scale · query·key) value for `heads` query heads of `tokens` consecutive positions.
  ///
  /// The same to the bit for any division of tokens and heads among calls, and any instruction set.
  ///
  /// - Parameters:
  ///   - queries: of token t and head h, `size` floats at t · stride + h · size.
  ///   - position: that of the first token; each token sees the positions up to its own.
  ///   - window: how many positions a token sees, its own included; nil for all.
  ///   - softcap: c turns a score s into c · tanh(s / c).
  ///   - scratch: `scratchBytes` aligned to 64 bytes, not shared by calls at the same time.
  ///   - output: laid out like `queries` with `outputStride`; not the queries themselves.
  public func attend(
    _ queries: UnsafePointer<Float>, stride: Int, heads: Int, tokens: Int, position: Int, window: Int?, scale: Float,
    softcap: Float?, scratch: UnsafeMutableRawPointer, into output: UnsafeMutablePointer<Float>, outputStride: Int
  ) {
    let work = lmk_attention(
      queries: queries, query_stride: stride, outputs: output, output_stride: outputStride, tokens: tokens, heads: heads,
      size: size, position: position, window: window ?? 0, scale: scale, softcap: softcap ?? 0)
    withUnsafePointer(to: cache) { cache in withUnsafePointer(to: work) { lmk_attend(cache, $0, scratch) } }
  }
}
