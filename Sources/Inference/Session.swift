import Kernels
import Models
import Tensors

/// One text in progress: the tokens so far, and the logits after them.
///
/// Tokens may come one by one or many at once; the logits are the same to the bit, and so they are for any number of
/// threads and any instruction set. Only where a text grows beyond LongRoPE's original context within a call are all logits of the call
/// those of the long text.
public final class Session {
  /// Which positions to compute logits for.
  public enum Wanted: Sendable {
    /// None: the tokens only enter the cache.
    case none
    /// The last position.
    case last
    /// Every position; at most `Session.batch` tokens at a time.
    case all
  }

  /// Tokens that pass through the layers together.
  public static let batch = 128

  /// The model.
  public let model: Transformer
  /// Positions that the cache can hold.
  public let capacity: Int
  /// Tokens in the cache.
  public private(set) var length = 0
  private let pass: ForwardPass
  /// Texts of up to so many tokens are rotated otherwise than longer ones.
  private let shortContext: Int?
  /// The tokens in the cache, where they may have to be run again.
  private var history: [Int32] = []
  private var isLong = false
  private var expected = 0

  /// A session for texts of up to `capacity` tokens; of fewer where the model has no more positions.
  public init(_ model: Transformer, capacity: Int, cache format: CacheFormat = .f32) {
    self.model = model
    self.capacity = max(1, min(capacity, model.spec.positionLimit ?? capacity))
    shortContext = model.spec.shortContext
    pass = ForwardPass(model, batch: min(Self.batch, self.capacity), capacity: self.capacity, cache: format)
  }

  /// Bytes of cache for one position.
  public var cacheBytesPerPosition: Int { pass.cacheBytesPerPosition }

  /// Says how long the text will become, for models that read long texts otherwise than short ones: its first tokens are then run as
  /// those of a long text, not run again.
  public func expect(length: Int) { expected = length }

  /// Forgets everything from position `length` on.
  public func truncate(to length: Int) {
    precondition((0...self.length).contains(length), "a session can only be shortened")
    self.length = length
    if shortContext != nil { history.removeLast(history.count - length) }
  }

  /// Runs tokens through the model and appends them to the cache.
  ///
  /// - Returns: [positions asked for][vocabulary], overwritten by the next call.
  /// - Throws: `usage` when a token is not in the vocabulary or the cache is full.
  @discardableResult
  public func forward(_ tokens: some Collection<Int32>, logits: Wanted = .last) throws(LMToolError) -> Logits {
    let tokens = Array(tokens)
    try check(tokens)
    if let shortContext { rotate(tokens, asLong: max(expected, length + tokens.count) > shortContext) }
    run(tokens)
    let asked = logits == .none ? 0 : logits == .last ? min(1, tokens.count) : tokens.count
    precondition(asked <= pass.batch, "logits of at most \(pass.batch) positions at a time")
    return pass.logits(asked, of: (tokens.count - 1) % pass.batch + 1)
  }

  /// Runs what is in the cache again when LongRoPE's factors change with these tokens: they are those of the whole text's length.
  private func rotate(_ tokens: [Int32], asLong isLong: Bool) {
    if isLong != self.isLong {
      self.isLong = isLong
      pass.rotate(asLong: isLong)
      length = 0
      run(history)
    }
    history += tokens
  }

  private func run(_ tokens: [Int32]) {
    var start = 0
    while start < tokens.count {
      let end = min(start + pass.batch, tokens.count)
      pass.run(tokens[start..<end], at: length)
      length += end - start
      start = end
    }
  }

  private func check(_ tokens: [Int32]) throws(LMToolError) {
    guard length + tokens.count <= capacity else {
      throw LMToolError(.usage, "\(length + tokens.count) tokens do not fit a context of \(capacity); raise --ctx-size")
    }
    if let bad = tokens.first(where: { $0 < 0 || $0 >= model.spec.vocabularySize }) {
      throw LMToolError(.usage, "there is no token \(bad); the vocabulary has \(model.spec.vocabularySize) tokens")
    }
  }
}
