import Kernels
import Tensors

/// How parameters are moved.
public struct AdamWOptions: Sendable, Equatable {
  /// The learning rate at its highest.
  public var rate = 1e-3
  /// Decay of the mean of gradients.
  public var beta1 = 0.9
  /// Decay of the mean of their squares.
  public var beta2 = 0.999
  /// What is added to the root of that mean.
  public var epsilon = 1e-8
  /// Decay of weights, times the rate.
  public var decay = 0.0
  /// The gradient's norm at most; nil for any.
  public var clip: Double? = 1.0

  /// The usual options.
  public init() {}
}

/// AdamW with clipping (Loshchilov and Hutter 2019): moments of every parameter, and a step.
public final class AdamW {
  /// What is moved.
  public private(set) var parameters: [Parameter]
  private let options: AdamWOptions
  private var first: [Floats]
  private var second: [Floats]
  /// Steps that were taken.
  public private(set) var steps = 0
  private var powers = (beta1: 1.0, beta2: 1.0)

  /// Numbers that a thread updates or sums at a time.
  private static let piece = 1 << 16

  /// Moments of zero.
  public init(_ parameters: [Parameter], _ options: AdamWOptions) {
    self.parameters = parameters
    self.options = options
    first = parameters.map { Floats(count: $0.values.count) }
    second = parameters.map { Floats(count: $0.values.count) }
  }

  /// Calls `body` with pieces of all parameters, on all threads: which one, where it begins, and how long it is.
  private func forEachPiece(_ body: (_ piece: Int, _ parameter: Int, _ start: Int, _ count: Int) -> Void) {
    let pieces = parameters.enumerated().flatMap { index, parameter in
      stride(from: 0, to: parameter.values.count, by: Self.piece).map {
        (index, $0, min(Self.piece, parameter.values.count - $0))
      }
    }
    ThreadPool.shared.forEach(pieces.count) { body($0, pieces[$0].0, pieces[$0].1, pieces[$0].2) }
  }

  /// The norm of all gradients together.
  public func gradientNorm() -> Double {
    let count = parameters.reduce(0) { $0 + ($1.values.count + Self.piece - 1) / Self.piece }
    var sums = [Double](repeating: 0, count: count)
    sums.withUnsafeMutableBufferPointer { sums in
      nonisolated(unsafe) let sums = sums
      forEachPiece { piece, parameter, start, count in
        sums[piece] = sumOfSquares(parameters[parameter].gradient.pointer + start, count: count)
      }
    }
    return sums.reduce(0, +).squareRoot()
  }

  /// Moves all parameters, and makes their gradients 0.
  ///
  /// - Parameter rate: the learning rate of this step.
  /// - Returns: the norm of the gradient before it was clipped; where that is not finite, nothing was moved.
  @discardableResult
  public func step(rate: Double) -> Double {
    let norm = gradientNorm()
    guard norm.isFinite else { return norm }
    steps += 1
    powers.beta1 *= options.beta1
    powers.beta2 *= options.beta2
    // torch.nn.utils.clip_grad_norm_ adds 1e-6 to the norm.
    let scale = options.clip.map { min(1, $0 / (norm + 1e-6)) } ?? 1
    forEachPiece { _, index, start, count in
      let parameter = parameters[index]
      let step = AdamWStep(
        rate: Float(rate) * parameter.pace, beta1: Float(options.beta1), beta2: Float(options.beta2),
        epsilon: Float(options.epsilon), decay: parameter.decays ? Float(options.decay) : 0, gradientScale: Float(scale),
        powers: powers)
      step.apply(
        parameter.values.pointer + start, parameter.gradient.pointer + start, first: first[index].pointer + start,
        second: second[index].pointer + start, count: count)
      parameter.gradient.pointer.advanced(by: start).update(repeating: 0, count: count)
    }
    return norm
  }

  /// Leaves some parameters as they are from now on, and forgets their moments.
  public func retire(where isRetired: (Parameter) -> Bool) {
    let kept = parameters.indices.filter { !isRetired(parameters[$0]) }
    parameters = kept.map { parameters[$0] }
    first = kept.map { first[$0] }
    second = kept.map { second[$0] }
  }

  /// The moments of every parameter, first and second.
  public var moments: [(first: Floats, second: Floats)] { zip(first, second).map { ($0, $1) } }

  /// Goes on after so many steps, whose moments have been put in the place of these.
  public func resume(after steps: Int) {
    self.steps = steps
    powers = (1, 1)
    for _ in 0..<steps {
      powers.beta1 *= options.beta1
      powers.beta2 *= options.beta2
    }
  }
}
