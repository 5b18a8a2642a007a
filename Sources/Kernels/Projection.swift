/// Matrices that read the same activations, as one: their outputs lie side by side, and one parallel region computes them all.
public struct Projection: Sendable {
  /// The matrices, in the order of their outputs.
  public let matrices: [WeightMatrix]
  /// Outputs of all matrices.
  public let outputs: Int
  /// Columns of every matrix.
  public let inputs: Int
  /// Whether any product reads the codes of the activations.
  public let readsCodes: Bool
  /// Whether it wants the peaks of the activations kept, at a quarter more time for many tokens.
  public let keepsPeaks: Bool
  /// The column steps that some matrices want the activations multiplied with before they are coded, each once; nil for none.
  private let steps: [[Float]?]
  /// Which of them each matrix wants.
  private let codings: [Int]
  /// Before which block and which output each matrix starts.
  private let starts: [(block: Int, output: Int)]
  private let blocks: Int

  /// Joins `matrices`, which have the same number of columns.
  public init(_ matrices: [WeightMatrix], keepsPeaks: Bool = false) {
    precondition(!matrices.isEmpty && matrices.allSatisfy { $0.inputs == matrices[0].inputs }, "matrices of different widths")
    self.matrices = matrices
    self.keepsPeaks = keepsPeaks
    inputs = matrices[0].inputs
    readsCodes = matrices.contains { $0.readsCodes }
    var steps: [[Float]?] = []
    codings = matrices.map { matrix in
      guard matrix.readsCodes else { return 0 }
      if let known = steps.firstIndex(of: matrix.columnSteps) { return known }
      steps.append(matrix.columnSteps)
      return steps.count - 1
    }
    self.steps = steps
    var starts: [(block: Int, output: Int)] = []
    var next = (block: 0, output: 0)
    for matrix in matrices {
      starts.append(next)
      next = (next.block + matrix.blocks, next.output + matrix.outputs)
    }
    self.starts = starts
    (blocks, outputs) = next
  }

  /// Bytes of memory that the weights occupy.
  public var bytes: Int { matrices.reduce(0) { $0 + $1.bytes } }

  /// Multiplications below which threads are not worth waking.
  private static let leastWork = 60_000
  /// Tokens of a part, so many that weights are not brought in for few of them; a multiple of the kernels' tiles.
  private static let leastTokens = 48

  /// How many codings of the activations the products read, which `Activations` must have space for.
  public var codingCount: Int { steps.count }

  /// Codes rows of `activations` the ways the products read them; nothing to do where none reads codes.
  public func prepare(_ activations: Activations, rows: Range<Int>) {
    for coding in steps.indices {
      activations.code(rows, inputs: inputs, coding: coding, steps: steps[coding], peaks: keepsPeaks)
    }
  }

  /// y[t] = the outputs of all matrices for row t of `activations`, which hold rows of `inputs` elements, prepared.
  /// y: [tokens][outputs].
  public func multiply(_ activations: Activations, tokens: Int, into y: UnsafeMutablePointer<Float>) {
    let pool = ThreadPool.shared
    guard pool.threads > 1, tokens * inputs * outputs > Self.leastWork else {
      return multiply(activations, tokens: 0..<tokens, blocks: 0..<blocks, into: y)
    }
    // Many tokens are cut first, so that a thread reads and writes the rows that it works on before and after the product; then
    // blocks, in two pieces for each thread or more, so that a thread that is late can be helped.
    let parts = max(1, min(pool.threads, tokens / Self.leastTokens))
    let pieces = min(blocks, ((tokens == 1 ? 2 : 4) * pool.threads + parts - 1) / parts)
    let job = Job(projection: self, activations: activations, tokens: tokens, parts: parts, pieces: pieces, y: y)
    pool.forEach(parts * pieces, job) { job, index in job!.assumingMemoryBound(to: Job.self).pointee.run(index) }
  }

  /// A product under way, cut into parts of tokens, and these into pieces of blocks.
  private struct Job {
    let projection: Projection
    let activations: Activations
    let tokens: Int
    let parts: Int
    let pieces: Int
    let y: UnsafeMutablePointer<Float>

    func run(_ index: Int) {
      let part = index / pieces, piece = index % pieces, blocks = projection.blocks
      projection.multiply(
        activations, tokens: tokens * part / parts..<tokens * (part + 1) / parts,
        blocks: blocks * piece / pieces..<blocks * (piece + 1) / pieces, into: y)
    }
  }

  /// The outputs of some blocks, counted through all matrices, for some tokens.
  private func multiply(
    _ activations: Activations, tokens: Range<Int>, blocks: Range<Int>, into y: UnsafeMutablePointer<Float>
  ) {
    for index in matrices.indices {
      let start = starts[index], count = matrices[index].blocks
      let mine = blocks.clamped(to: start.block..<start.block + count)
      guard !mine.isEmpty else { continue }
      matrices[index].multiply(
        activations, coding: codings[index], peaks: keepsPeaks, tokens: tokens,
        blocks: mine.lowerBound - start.block..<mine.upperBound - start.block, into: y + start.output, stride: outputs)
    }
  }
}
