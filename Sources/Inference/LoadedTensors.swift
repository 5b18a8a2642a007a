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
  init(_ source: ModelSource, _ arithmetic: Arithmetic, progress: ProgressConsumer?) throws(LMToolError) {
    let specs = source.spec.tensors
    let loaded = Mutex<[String: Loaded]>([:])
    try ThreadPool.shared.forEach(specs.count) { (index) throws(LMToolError) in
      let tensor = try Self.load(specs[index], of: source, arithmetic)
      loaded.withLock { loaded in
        loaded[specs[index].name] = tensor
        progress?(ProgressUpdate(stage: "load", done: loaded.count, total: specs.count, unit: .tensors))
      }
    }
    tensors = loaded.withLock { $0 }
    // What was read ahead around the tensors, and what reading needed, is given back before the cache grows.
    for spec in specs { try source.tensor(spec).discard() }
    releaseFreeMemory()
  }

  private static func load(
    _ spec: TensorSpec, of source: ModelSource, _ arithmetic: Arithmetic
  ) throws(LMToolError) -> Loaded {
    let tensor = try source.tensor(spec)
    defer { tensor.discard() }  // its pages of the file are not needed again
    do throws(LMToolError) {
      return spec.shape.count == 2 ? .matrix(try WeightMatrix.load(tensor, arithmetic)) : .vector(try vector(tensor))
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

  /// A matrix that some models do not have.
  func matrixIfPresent(_ spec: TensorSpec?) throws(LMToolError) -> WeightMatrix? {
    guard let spec else { return nil }
    return try matrix(spec)
  }

  /// A vector that some models do not have.
  func vectorIfPresent(_ spec: TensorSpec?) throws(LMToolError) -> [Float]? {
    guard let spec else { return nil }
    return try vector(spec)
  }

  /// A norm.
  func norm(_ spec: NormSpec) throws(LMToolError) -> NormPass {
    NormPass(spec, weight: try vector(spec.weight), bias: try vectorIfPresent(spec.bias))
  }

  /// A norm that some models do not have.
  func normIfPresent(_ spec: NormSpec?) throws(LMToolError) -> NormPass? {
    guard let spec else { return nil }
    return try norm(spec)
  }

  /// A norm of queries or keys.
  func headNorm(_ spec: HeadNormSpec?) throws(LMToolError) -> HeadNormPass? {
    guard let spec else { return nil }
    return HeadNormPass(try norm(spec.norm), size: spec.size)
  }

  /// A matrix without bias, to multiply with.
  func projection(_ spec: LinearSpec?) throws(LMToolError) -> Projection? {
    guard let spec else { return nil }
    return Projection([try matrix(spec.weight)])
  }

  /// Linear layers that read the same activations, as one.
  func linear(_ specs: [LinearSpec], keepsPeaks: Bool = false) throws(LMToolError) -> Linear {
    var matrices: [WeightMatrix] = [], bias: [Float] = []
    for spec in specs {
      matrices.append(try matrix(spec.weight))
      if let own = spec.bias {
        bias += try vector(own)
      } else {
        bias += [Float](repeating: 0, count: spec.outputs)
      }
    }
    return Linear(projection: Projection(matrices, keepsPeaks: keepsPeaks), bias: specs.contains { $0.bias != nil } ? bias : nil)
  }
}
