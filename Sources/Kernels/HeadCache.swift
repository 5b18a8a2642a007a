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
  /// `size` rounded up to a multiple of 32: what queries and outputs of `attend` hold.
  public let padded: Int
  private nonisolated(unsafe) let cache: lmk_cache
  private let rowBytes: Int

  /// Space for `capacity` positions.
  public init(format: CacheFormat, size: Int, capacity: Int) {
    self.size = size
    padded = (size + 31) / 32 * 32
    let format = lmk_cache_format(format.rawValue)
    rowBytes = lmk_cache_row_bytes(format, padded)
    let hasScales = format == LMK_CACHE_INT8 || format == LMK_CACHE_INT4
    cache = lmk_cache(
      format: format, padded: padded,
      keys: .allocate(byteCount: capacity * rowBytes, alignment: 64),
      values: .allocate(byteCount: capacity * rowBytes, alignment: 64),
      key_scales: hasScales ? .allocate(capacity: capacity) : nil,
      value_scales: hasScales ? .allocate(capacity: capacity) : nil)
  }

  deinit {
    cache.keys.deallocate()
    cache.values.deallocate()
    cache.key_scales?.deallocate()
    cache.value_scales?.deallocate()
  }

  /// Bytes that one position costs, key and value together.
  public var bytesPerPosition: Int { 2 * rowBytes + (cache.key_scales == nil ? 0 : 8) }

  /// Stores the key and value (`size` floats each) of a position.
  public func store(_ position: Int, key: UnsafePointer<Float>, value: UnsafePointer<Float>) {
    withUnsafePointer(to: cache) { lmk_cache_store($0, position, key, value, size) }
  }

  /// output = Σ softmax(scale · query·key) value over the positions of `range`.
  ///
  /// `query` and `output` hold `padded` elements, `scores` is scratch for `range.count`.
  public func attend(
    _ query: UnsafePointer<Float>, over range: Range<Int>, scale: Float, scores: UnsafeMutablePointer<Float>,
    into output: UnsafeMutablePointer<Float>
  ) {
    withUnsafePointer(to: cache) { lmk_attend($0, query, range.lowerBound, range.upperBound, scale, scores, output) }
  }

  public static func scratchBytes(size: Int) -> Int { 65536 }
  public func attend(_ queries: UnsafePointer<Float>, stride: Int, heads: Int, tokens: Int, position: Int, window: Int?, scale: Float, softcap: Float?, scratch: UnsafeMutableRawPointer, into output: UnsafeMutablePointer<Float>, outputStride: Int) {
    let f = scratch.assumingMemoryBound(to: Float.self)
    for t in 0..<tokens { for h in 0..<heads {
      for i in 0..<padded { f[i] = i < size ? queries[t * stride + h * size + i] : 0 }
      let p = position + t
      attend(f, over: (window.map { max(0, p + 1 - $0) } ?? 0)..<p + 1, scale: scale, scores: f + 1024, into: f + 512)
      for i in 0..<size { output[t * outputStride + h * size + i] = f[512 + i] }
    } }
  }
}
