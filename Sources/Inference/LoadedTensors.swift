import Kernels
import Models
import Synchronization
import Tensors

/// The tensors of a model, read and brought into compute layout, several at a time.
struct LoadedTensors {
  private enum Loaded {
    case matrix(WeightMatrix)
    case vector([Float])
  }

  private let tensors: [String: Loaded]

  /// Reads every tensor of the model.
  init(_ source: ModelSource, progress: ProgressConsumer?) throws(LMToolError) {
    let specs = source.spec.tensors
    let loaded = Mutex<[String: Loaded]>([:])
    try ThreadPool.shared.forEach(specs.count) { (index) throws(LMToolError) in
      let tensor = try Self.load(specs[index], of: source)
      loaded.withLock { loaded in
        loaded[specs[index].name] = tensor
        progress?(ProgressUpdate(stage: "load", done: loaded.count, total: specs.count, unit: .tensors))
      }
    }
    tensors = loaded.withLock { $0 }
  }

  private static func load(_ spec: TensorSpec, of source: ModelSource) throws(LMToolError) -> Loaded {
    let tensor = try source.tensor(spec)
    do throws(LMToolError) {
      return spec.shape.count == 2 ? .matrix(try WeightMatrix.load(tensor)) : .vector(try vector(tensor))
    } catch { throw error.within(file: source.path) }
  }

  private static func vector(_ tensor: any TensorReader) throws(LMToolError) -> [Float] {
    let elements = try tensor.readAll()
    var failure: LMToolError?
    elements.withUnsafeBufferPointer { floats in
      do throws(LMToolError) { try checkFinite(floats, of: tensor, from: 0) } catch { failure = error }
    }
    if let failure { throw failure }
    return elements
  }

  /// A matrix in compute layout.
  func matrix(_ spec: TensorSpec) throws(LMToolError) -> WeightMatrix {
    guard case .matrix(let matrix)? = tensors[spec.name] else {
      throw LMToolError(.bug, "no such matrix", at: .tensor(spec.name))
    }
    return matrix
  }

  /// A norm or a bias.
  func vector(_ spec: TensorSpec) throws(LMToolError) -> [Float] {
    guard case .vector(let vector)? = tensors[spec.name] else {
      throw LMToolError(.bug, "no such vector", at: .tensor(spec.name))
    }
    return vector
  }

  /// A matrix with its bias.
  func linear(_ spec: LinearSpec) throws(LMToolError) -> Linear {
    let weight = try matrix(spec.weight)
    guard let bias = spec.bias else { return Linear(weight: weight, bias: nil) }
    return Linear(weight: weight, bias: try vector(bias))
  }
}
