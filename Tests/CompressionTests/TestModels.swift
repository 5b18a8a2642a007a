import Checkpoints
import Inference
import Models
import OrderedCollections
import Tensors

/// The logits of every position, computed in floats.
func logits(_ source: ModelSource, _ ids: [Int32] = [1, 403, 407, 261, 378]) throws -> [Float] {
  Array(try Session(try Transformer(source, arithmetic: .float), capacity: ids.count).forward(ids, logits: .all))
}

/// The largest difference, relative to the largest magnitude of `expected`.
func difference(_ values: [Float], _ expected: [Float]) -> Float {
  guard values.count == expected.count else { return .infinity }
  let most = expected.map(\.magnitude).max() ?? 1
  return zip(values, expected).reduce(0) { max($0, ($1.0 - $1.1).magnitude) } / most
}

/// All values of all tensors.
func values(_ source: ModelSource) throws(LMToolError) -> OrderedDictionary<String, [Float]> {
  var values: OrderedDictionary<String, [Float]> = [:]
  for tensor in source.tensors.values { values[tensor.name] = try tensor.readAll() }
  return values
}
