import OrderedCollections
import Tensors

extension OrderedDictionary<String, any TensorReader> {
  /// The tensor `name` of the file or folder at `path`.
  ///
  /// - Throws: `missingInput` when it is not there (MODEL-3), `badInput` when its shape is not `shape` (MODEL-4).
  func needed(_ name: String, shape: [Int], path: String) throws(LMToolError) -> any TensorReader {
    guard let tensor = self[name] else {
      throw LMToolError(
        .missingInput, "the model needs it, but the file does not have it; the checkpoint is incomplete or of another family",
        file: path, at: .tensor(name), rule: "MODEL-3")
    }
    guard tensor.shape == shape else {
      throw LMToolError(
        .badInput, "it has the shape \(tensor.shape), but the configuration asks for \(shape)", file: path, at: .tensor(name),
        rule: "MODEL-4")
    }
    return tensor
  }
}
