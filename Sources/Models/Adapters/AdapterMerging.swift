import OrderedCollections
import Tensors

/// A model with an adapter merged into it, and what that changed.
public struct MergedModel: Sendable {
  /// A tensor that the adapter changes.
  public struct Change: Sendable {
    /// The module: "model.layers.0.self_attn.q_proj".
    public let module: String
    /// The layer, nil outside of layers.
    public let layer: Int?
    /// The rank; nil for a tensor that is replaced.
    public let rank: Int?
    /// The tensor without the adapter.
    public let before: any TensorReader
    /// The tensor with it.
    public let after: any TensorReader
  }

  /// The model.
  public fileprivate(set) var model: ModelSource
  /// What the adapter changes, in its order.
  public fileprivate(set) var changes: [Change] = []
  /// Tensors of the adapter for which the model has no place.
  public fileprivate(set) var leftOut: [String] = []
}

extension ModelSource {
  /// The model with a LoRA adapter merged into it: tensors are computed when they are read (formats/lora.md).
  ///
  /// - Throws: `badInput` when the adapter is of another base (LORA-5, -6).
  public func merging(_ adapter: LoRAAdapter) throws(LMToolError) -> MergedModel {
    var merging = AdapterMerging(self, adapter)
    do throws(LMToolError) {
      try merging.separateHead()
      for (name, module) in adapter.modules { try merging.replace(name, module) }
      for (name, module) in adapter.modules { try merging.add(name, module) }
    } catch { throw error.within(file: adapter.path) }
    merging.result.model.files += adapter.files
    return merging.result
  }
}

private struct AdapterMerging {
  var result: MergedModel
  private let adapter: LoRAAdapter
  private var places: AdapterPlaces

  init(_ model: ModelSource, _ adapter: LoRAAdapter) {
    result = MergedModel(model: model)
    self.adapter = adapter
    places = AdapterPlaces(model.spec)
  }

  /// Gives the head a tensor of its own where the adapter makes it differ from the embedding (LORA-10).
  mutating func separateHead() throws(LMToolError) {
    let model = result.model
    guard model.spec.isTied, !adapter.configuration.keepsTied, var config = model.config.object else { return }
    config["tie_word_embeddings"] = .bool(false)
    let spec = try Architectures.spec(of: Configuration(.object(config), file: model.path))
    let apart = AdapterPlaces(spec)
    let touched = Set(
      adapter.modules.keys.flatMap { apart.find($0, "weight").map(\.tensor.name) }
        .filter { $0 == spec.embedding.name || $0 == spec.head.weight.name })
    guard !spec.isTied, !touched.isEmpty, try !replacesBothAlike(spec, apart) else { return }
    var tensors = model.tensors
    tensors[spec.head.weight.name] = RenamedTensor(base: try model.tensor(model.spec.embedding), name: spec.head.weight.name)
    result.model.spec = spec
    result.model.config = .object(config)
    result.model.tensors = [:]
    for tensor in spec.tensors { result.model.tensors[tensor.name] = tensors[tensor.name] }
    places = apart
  }

  /// Whether embedding and head get the same new elements, and nothing is added to either.
  private func replacesBothAlike(_ spec: ModelSpec, _ places: AdapterPlaces) throws(LMToolError) -> Bool {
    func module(of tensor: TensorSpec) -> LoRAAdapter.Module? {
      adapter.modules.first { places.find($0.key, "weight").contains { $0.tensor.name == tensor.name } }?.value
    }
    guard let first = module(of: spec.embedding), let second = module(of: spec.head.weight) else { return false }
    guard !first.isLowRank, !second.isLowRank, let one = first.weight, let other = second.weight else { return false }
    guard one.shape == other.shape else { return false }
    for start in stride(from: 0, to: one.count, by: LowRankUpdate.elements) {
      let range = start..<min(one.count, start + LowRankUpdate.elements)
      guard try Self.elements(of: one, range) == Self.elements(of: other, range) else { return false }
    }
    return true
  }

  private static func elements(of tensor: any TensorReader, _ range: Range<Int>) throws(LMToolError) -> [Float] {
    var piece = [Float](repeating: 0, count: range.count), failure: LMToolError?
    piece.withUnsafeMutableBufferPointer { buffer in
      do throws(LMToolError) { try tensor.read(range, into: buffer) } catch { failure = error }
    }
    if let failure { throw failure }
    return piece
  }

  /// Puts the tensors that the adapter has whole in the place of the model's.
  mutating func replace(_ name: String, _ module: LoRAAdapter.Module) throws(LMToolError) {
    for (part, tensor) in [("weight", module.weight), ("bias", module.bias)] {
      guard let tensor else { continue }
      let found = places.find(name, part)
      guard !found.isEmpty else {
        // A head of its own, where it stays tied, is the embedding (LORA-10).
        result.leftOut.append(tensor.name)
        continue
      }
      for place in found {
        guard tensor.shape == place.slice.shape else { throw refuse(tensor, expected: place.slice.shape) }
        guard place.tensor.slices.count == 1 else {
          throw LMToolError(
            .badInput, "it is one of several that make \(place.tensor.name), which is not supported", at: .tensor(tensor.name),
            rule: "LORA-5")
        }
        let new = SlicedTensor(place.tensor, slices: place.tensor.slices, bases: [tensor])
        try change(place.tensor, name, rank: nil, to: new)
      }
    }
  }

  /// Adds the product of a module's two matrices.
  mutating func add(_ name: String, _ module: LoRAAdapter.Module) throws(LMToolError) {
    guard let down = module.down, let up = module.up else { return }
    let found = places.find(name, "weight")
    guard !found.isEmpty else {
      let isHead = result.model.spec.isTied && adapter.configuration.keepsTied && ["lm_head", "embed_out"].contains(name)
      guard isHead || AdapterPlaces.isOutside(name) else { throw missing(name, down) }
      return result.leftOut += [down.name, up.name]
    }
    let rank = try adapter.configuration.rank(of: name)
    let update = LowRankUpdate(
      right: module.isEmbedding ? up : down, left: module.isEmbedding ? down : up, rank: rank,
      scale: try adapter.configuration.scale(of: name, rank: rank), isTransposed: module.isEmbedding)
    for place in found {
      try check(module, rank: rank, place)
      let lengths = module.magnitudes.map { RowLengths(magnitudes: $0) }
      let merged = LowRankTensor(
        base: try result.model.tensor(place.tensor), slice: place.slice, update: update, lengths: lengths)
      try change(place.tensor, name, rank: rank, to: merged)
    }
  }

  private mutating func change(
    _ tensor: TensorSpec, _ module: String, rank: Int?, to new: any TensorReader
  ) throws(LMToolError) {
    let before = try result.model.tensor(tensor)
    result.model.tensors[tensor.name] = new
    // What is replaced first and added to then is one change.
    if let index = result.changes.firstIndex(where: { $0.after.name == tensor.name }) {
      let old = result.changes[index]
      result.changes[index] = MergedModel.Change(module: module, layer: tensor.layer, rank: rank, before: old.before, after: new)
    } else {
      result.changes.append(MergedModel.Change(module: module, layer: tensor.layer, rank: rank, before: before, after: new))
    }
  }

  /// Compares the shapes of a module with those of the stored matrix (LORA-6).
  private func check(_ module: LoRAAdapter.Module, rank: Int, _ place: AdapterPlaces.Place) throws(LMToolError) {
    guard let down = module.down, let up = module.up else { return }
    let slice = place.slice
    guard place.tensor.isMatrix, place.tensor.slices.count == 1, slice.shape.count == 2 else {
      throw LMToolError(.badInput, "what it is added to is no matrix", at: .tensor(down.name), rule: "LORA-6")
    }
    let (outputs, inputs) = slice.isTransposed ? (slice.shape[1], slice.shape[0]) : (slice.shape[0], slice.shape[1])
    let expected = module.isEmbedding ? ([rank, outputs], [inputs, rank]) : ([rank, inputs], [outputs, rank])
    guard down.shape == expected.0 else { throw refuse(down, expected: expected.0) }
    guard up.shape == expected.1 else { throw refuse(up, expected: expected.1) }
    if let magnitudes = module.magnitudes, magnitudes.count != outputs { throw refuse(magnitudes, expected: [outputs]) }
  }

  private func refuse(_ tensor: any TensorReader, expected: [Int]) -> LMToolError {
    LMToolError(
      .badInput,
      "it has the shape \(tensor.shape), but the model and the rank ask for \(expected); the adapter is of another base\(base)",
      at: .tensor(tensor.name), rule: "LORA-6")
  }

  private func missing(_ module: String, _ tensor: any TensorReader) -> LMToolError {
    LMToolError(
      .badInput, "the model has no module \(module.printable); the adapter is of another base\(base)", at: .tensor(tensor.name),
      rule: "LORA-5")
  }

  /// What the adapter says that it is of.
  private var base: String { adapter.baseName.map { " (\($0.printable))" } ?? "" }
}
