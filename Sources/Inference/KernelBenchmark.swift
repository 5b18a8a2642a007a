import Kernels
import Models
import Tensors

/// How fast one kernel runs on the model's own data, at best.
public struct KernelRate: Sendable, Equatable {
  /// What it is used for, by the names of GGUF: "attn_q, attn_output"; or "attention".
  public let name: String
  /// How the weights are held, or the cache: "int4", "f32".
  public let format: String
  /// Rows and columns of the matrix; nil for attention.
  public let shape: [Int]?
  /// Positions that were in the cache before, for attention; nil for a matrix.
  public let depth: Int?
  /// Tokens at once.
  public let tokens: Int
  /// Seconds for one call: one matrix, or the attention of all layers.
  public let seconds: Double
  /// Operations of a call, a multiplication and an addition counting as two.
  public let operations: Double
  /// Bytes of weights or cache that a call reads.
  public let bytes: Double
  /// The arithmetic whose peak is the ceiling of many tokens.
  public let arithmetic: MachineCeilings.Arithmetic

  /// How much of its ceiling the kernel reaches: of the bandwidth for one token, of the peak for more. Above 1 where the weights
  /// come from a cache. Nil when the machine has no instruction for the arithmetic.
  public func fraction(of ceilings: MachineCeilings) -> Double? {
    tokens == 1 ? bytes / seconds / ceilings.bandwidth : ceilings.peaks[arithmetic].map { operations / seconds / $0 }
  }
}

/// Times the kernels one by one: the products as they follow each other in a forward pass, so that every matrix comes from where it
/// would come from in use, and what attention adds when the cache is filled.
public struct KernelBenchmark {
  /// Tokens at once that rates are measured for.
  public static let tokenCounts = [1, 128]

  private let model: Transformer
  private let cache: CacheFormat
  private let cost: TokenCost
  private let budget: Double
  private let clock = ContinuousClock()

  /// A benchmark that spends about `seconds` on each number of tokens, and passes over the model at least three times.
  public init(_ model: Transformer, cache: CacheFormat, seconds: Double = 0.5) {
    self.model = model
    self.cache = cache
    budget = seconds
    cost = TokenCost(model, cache: cache)
  }

  /// The rate of every distinct matrix shape with the threads of the shared pool, in the order of the forward pass.
  public func products(tokens: Int, progress: ProgressConsumer? = nil) -> [KernelRate] {
    let products = model.products, shapes = products.map { ProductShape($0.roles, $0.projection) }
    let input = activations(tokens, width: products.map(\.projection.inputs).max() ?? 1)
    let output = UnsafeMutablePointer<Float>.allocate(capacity: tokens * (products.map(\.projection.outputs).max() ?? 1))
    defer { output.deallocate() }
    var best: [ProductShape: Double] = [:]
    repeatWithinBudget(stage: "time products of \(tokens)", progress) {
      var sums: [ProductShape: Double] = [:]
      for (shape, product) in zip(shapes, products) {
        product.projection.prepare(input, rows: 0..<tokens)
        sums[shape, default: 0] += time { product.projection.multiply(input, tokens: tokens, into: output) }
      }
      best.merge(sums, uniquingKeysWith: min)
    }
    return shapes.unique.map { shape in
      let same = zip(shapes, products).filter { $0.0 == shape }.map(\.1.projection)
      return KernelRate(
        name: shape.name, format: shape.format, shape: [shape.outputs, shape.inputs], depth: nil, tokens: tokens,
        seconds: (best[shape] ?? 0) / Double(same.count), operations: 2 * Double(same[0].parameters * tokens),
        bytes: Double(same[0].bytes), arithmetic: same[0].readsCodes ? .int8 : .f32)
    }
  }

  /// What the attention of all layers costs after `depth` positions: the time of a forward pass there, less that of one at the
  /// start. Nil where the difference drowns in the rest.
  ///
  /// - Throws: `usage` when the cache cannot hold so much.
  public func attention(
    depth: Int, tokens: Int, progress: ProgressConsumer? = nil
  ) throws(LMToolError) -> KernelRate? {
    let session = Session(model, capacity: depth + tokens, cache: cache), ids = model.randomTokens(tokens)
    let start = try best(session, ids, progress)
    try session.forward(model.randomTokens(depth), logits: .none)
    let end = try best(session, ids, progress)
    guard end - start > 0.02 * end else { return nil }
    return addedAttention(depth: depth, tokens: tokens, seconds: end - start)
  }

  /// The rate of attention when `depth` positions before cost so many seconds more.
  package func addedAttention(depth: Int, tokens: Int, seconds: Double) -> KernelRate {
    func added(_ tokens: Int, _ cost: (TokenCost.Attention) -> Int) -> Double {
      let (before, after) = (BenchmarkTest(.prefill, tokens: tokens), BenchmarkTest(.prefill, tokens: tokens, depth: depth))
      return self.cost.attention(in: after, cost) - self.cost.attention(in: before, cost)
    }
    return KernelRate(
      name: "attention", format: "\(cache)", shape: nil, depth: depth, tokens: tokens, seconds: seconds,
      operations: added(tokens, \.operations), bytes: added(1, \.bytes), arithmetic: .f32)
  }

  /// The least time of a forward pass from where the session is.
  private func best(_ session: Session, _ ids: [Int32], _ progress: ProgressConsumer?) throws(LMToolError) -> Double {
    let length = session.length
    var best = Double.infinity
    try repeatWithinBudget(stage: "time \(ids.count) after \(length)", progress) { () throws(LMToolError) in
      session.truncate(to: length)
      let start = clock.now
      try session.forward(ids)
      best = min(best, (clock.now - start).seconds)
    }
    session.truncate(to: length)
    return best
  }

  /// Works once to warm up, then at least twice and at most 200 times, as the budget allows.
  private func repeatWithinBudget<Failure: Error>(
    stage: String, _ progress: ProgressConsumer?, _ work: () throws(Failure) -> Void
  ) throws(Failure) {
    let start = clock.now
    try work()
    let repetitions = Int(min(200, max(2, budget / max(1e-9, (clock.now - start).seconds))))
    for repetition in 0..<repetitions {
      progress?(ProgressUpdate(stage: stage, done: repetition + 1, total: repetitions + 1, unit: .passes))
      try work()
    }
  }

  private func time(_ work: () -> Void) -> Double {
    let start = clock.now
    work()
    return (clock.now - start).seconds
  }

  /// Rows of floats from -1 to 1.
  private func activations(_ rows: Int, width: Int) -> Activations {
    let activations = Activations(rows: rows, width: width, codings: model.codings)
    var random = Random(seed: 1)
    for index in 0..<rows * width { activations.floats[index] = Float(2 * random.unit() - 1) }
    return activations
  }
}

/// What makes two products equal work.
private struct ProductShape: Hashable {
  let name: String
  let outputs: Int
  let inputs: Int
  let format: String

  init(_ roles: [TensorRole], _ projection: Projection) {
    name = roles.map(\.rawValue).joined(separator: ", ")
    outputs = projection.outputs
    inputs = projection.inputs
    format = projection.matrices.map(\.formatName).unique.joined(separator: ", ")
  }
}

extension Array where Element: Hashable {
  /// The elements without repetitions, in order.
  fileprivate var unique: [Element] {
    var known: Set<Element> = []
    return filter { known.insert($0).inserted }
  }
}
