import OrderedCollections
import Quantization
import Tensors

/// The stored tensors of a checkpoint, from which those of a model are cut as their slices say.
struct CheckpointTensors {
  private let stored: OrderedDictionary<String, any TensorReader>
  private let path: String
  /// Names of stored tensors that were used.
  private var used: Set<String> = []

  /// Tensors under the names that slices use.
  init(_ stored: OrderedDictionary<String, any TensorReader>, path: String) {
    self.stored = stored
    self.path = path
  }

  /// The tensors of `spec`, under their own names.
  ///
  /// - Parameter slices: where a tensor lies.
  /// - Throws: `missingInput` when a stored tensor is not there (MODEL-3), `badInput` when its shape contradicts the configuration
  ///   (MODEL-4).
  mutating func cut(
    _ spec: ModelSpec, slices: (TensorSpec) -> [TensorSlice]
  ) throws(LMToolError) -> OrderedDictionary<String, any TensorReader> {
    var tensors: OrderedDictionary<String, any TensorReader> = [:]
    for needed in spec.tensors {
      let slices = slices(needed)
      let bases = try slices.map { (slice) throws(LMToolError) in try base(of: slice) }
      tensors[needed.name] = reader(of: needed, slices, bases)
    }
    return tensors
  }

  /// Stored tensors that no slice named.
  var unused: [String] { stored.keys.filter { !used.contains($0) } }

  private mutating func base(of slice: TensorSlice) throws(LMToolError) -> any TensorReader {
    let base = try stored.needed(slice.name, shape: slice.shape, path: path)
    used.insert(slice.name)
    return base
  }

  private func reader(of spec: TensorSpec, _ slices: [TensorSlice], _ bases: [any TensorReader]) -> any TensorReader {
    guard slices.count == 1 else { return SlicedTensor(spec, slices: slices, bases: bases) }
    if slices[0].isWhole(of: spec), bases[0].name == spec.name { return bases[0] }
    if let grid = bases[0] as? any GridTensorReader, !slices[0].isTransposed {
      return SlicedGridTensor(spec, slice: slices[0], base: grid)
    }
    let isRenamed = slices[0] == TensorSlice(slices[0].name, shape: spec.shape)
    return isRenamed ? RenamedTensor(base: bases[0], name: spec.name) : SlicedTensor(spec, slices: slices, bases: bases)
  }
}

extension ModelSource {
  /// The tensors of the model as Hugging Face checkpoints of the family hold them: fused, transposed and named as there.
  public var checkpointTensors: [any TensorReader] {
    var parts: OrderedDictionary<String, [(slice: TensorSlice, tensor: any TensorReader)]> = [:]
    for spec in spec.tensors {
      guard let tensor = tensors[spec.name] else { continue }
      var row = 0
      for slice in spec.slices {
        let part = slice.rows == spec.shape[0] ? tensor : RowsOfTensor(base: tensor, first: row, rows: slice.rows)
        parts[slice.name, default: []].append((slice, part))
        row += slice.rows
      }
    }
    return parts.values.map { parts in
      let tensor = parts[0].tensor
      return parts[0].slice == TensorSlice(tensor.name, shape: tensor.shape) ? tensor : FusedTensor(parts)
    }
  }
}

/// Some rows of a tensor that follow one another.
struct RowsOfTensor: TensorReader {
  let base: any TensorReader
  let first: Int
  let rows: Int

  var name: String { base.name }
  var shape: [Int] { [rows] + base.shape.dropFirst() }
  var storage: Storage { base.storage }
  var storedBytes: Int { base.storedBytes / max(1, base.shape[0]) * rows }

  func discard() { base.discard() }

  func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    let start = first * shape.dropFirst().reduce(1, *)
    try base.read(start + range.lowerBound..<start + range.upperBound, into: output)
  }
}
