import Kernels
import Models
import Tensors

/// The floats of one layer, every matrix row after row: what calibration and training multiply with.
public struct LayerMatrices: Sendable {
  /// What the layer is.
  public let spec: LayerSpec
  /// Norm weights and matrices, by tensor name.
  private var tensors: [String: [Float]] = [:]

  /// Reads a layer of `source`.
  ///
  /// - Throws: `badInput` when a tensor cannot be read or is not finite (MODEL-5).
  public init(_ spec: LayerSpec, of source: ModelSource) throws(LMToolError) {
    self.spec = spec
    for tensor in spec.tensors { tensors[tensor.name] = try Self.floats(tensor, of: source) }
  }

  /// The elements of a tensor of `source`, checked to be finite.
  ///
  /// - Throws: `badInput` (MODEL-5).
  public static func floats(_ spec: TensorSpec, of source: ModelSource) throws(LMToolError) -> [Float] {
    let tensor = try source.tensor(spec)
    defer { tensor.discard() }
    let floats = try tensor.readAll()
    var failure: LMToolError?
    floats.withUnsafeBufferPointer { buffer in
      do throws(LMToolError) { try checkFinite(buffer, of: tensor, from: 0) } catch { failure = error.within(file: source.path) }
    }
    if let failure { throw failure }
    return floats
  }

  /// The floats of a tensor of the layer; they may be replaced by others of the same count.
  public subscript(_ tensor: TensorSpec) -> [Float] {
    get {
      guard let floats = tensors[tensor.name] else { preconditionFailure("\(tensor.name) is not of this layer") }
      return floats
    }
    set {
      precondition(newValue.count == tensors[tensor.name]?.count, "\(tensor.name) has another size")
      tensors[tensor.name] = newValue
    }
  }

  /// A norm of the layer.
  func norm(_ spec: NormSpec) -> NormPass { NormPass(spec, weight: self[spec.weight], bias: spec.bias.map { self[$0] }) }

  /// y = W x + b for `tokens` rows x of `linear.inputs` floats.
  public func multiply(_ linear: LinearSpec, _ x: UnsafePointer<Float>, tokens: Int, into y: UnsafeMutablePointer<Float>) {
    product(self[linear.weight], outputs: linear.outputs, inputs: linear.inputs, x, tokens: tokens, into: y)
    guard let bias = linear.bias.map({ self[$0] }) else { return }
    for token in 0..<tokens { add(y + token * linear.outputs, bias, count: bias.count) }
  }
}

/// y[t] = W x[t] for a matrix [outputs, inputs], row after row, and `tokens` rows of floats.
public func product(
  _ matrix: [Float], outputs: Int, inputs: Int, _ x: UnsafePointer<Float>, tokens: Int, into y: UnsafeMutablePointer<Float>
) {
  matrix.withUnsafeBufferPointer { matrix in
    guard let base = matrix.baseAddress else { return }
    MatrixProduct(rows: tokens, columns: outputs, depth: inputs)(
      .init(x, stride: inputs), .init(base, stride: inputs, transposed: true), into: y, stride: outputs)
  }
}
