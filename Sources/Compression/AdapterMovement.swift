import Models
import OrderedCollections
import Tensors

/// What an adapter changes in a model, and how far the weights move.
public struct AdapterReport: Sendable, Encodable {
  /// What is changed in modules of one kind.
  public struct Kind: Sendable, Encodable {
    /// The last part of the modules' names: "q_proj".
    public let module: String
    /// How many modules.
    public let modules: Int
    /// The ranks, none for what is replaced.
    public let ranks: [Int]
    /// The length of the change against that of the weights.
    public let movement: Double
  }

  /// The folder of the adapter.
  public let path: String
  /// What it was trained on, by its maker's word.
  public let base: String?
  /// By kind of module.
  public let kinds: [Kind]
  /// Layers that it changes.
  public let layers: Int
  /// Of so many.
  public let layersOfModel: Int
  /// The movement of all tensors that it changes.
  public let movement: Double
  /// Tensors of the adapter for which the model has no place.
  public let leftOut: [String]

  /// Reads every tensor that the adapter changes, with it and without.
  ///
  /// - Throws: `badInput` when nothing changes (LORA-9), or when a change is not finite (MODEL-5).
  public init(_ merged: MergedModel, of adapter: LoRAAdapter, progress: ProgressConsumer? = nil) throws(LMToolError) {
    var kinds: OrderedDictionary<String, (modules: Set<String>, ranks: Set<Int>, difference: TensorDifference)> = [:]
    var all = TensorDifference(), done = 0
    let total = merged.changes.reduce(0) { $0 + $1.after.count }
    for change in merged.changes {
      let difference: TensorDifference
      do throws(LMToolError) {
        difference = try TensorDifference.measure(change.before, change.after) { count in
          done += count
          progress?(ProgressUpdate(stage: "adapter", done: 4 * done, total: 4 * total, unit: .bytes))
        }
      } catch { throw error.within(file: adapter.path) }
      guard difference.largest.isFinite else {
        throw LMToolError(
          .badInput, "with the adapter it has elements that are not finite; the adapter is broken", file: adapter.path,
          at: .tensor(change.after.name), rule: "MODEL-5")
      }
      let kind = String(change.module.split(separator: ".").last ?? "")
      kinds[kind, default: ([], [], TensorDifference())].modules.insert(change.module)
      if let rank = change.rank { kinds[kind]?.ranks.insert(rank) }
      kinds[kind]?.difference.add(difference)
      all.add(difference)
    }
    guard all.unequal > 0 else {
      throw LMToolError(
        .badInput,
        "the adapter changes nothing: all its products B A are zero and all its replacements equal; was it saved before training?",
        file: adapter.path, rule: "LORA-9")
    }
    path = adapter.path
    base = adapter.baseName
    self.kinds = kinds.map { name, kind in
      Kind(module: name, modules: kind.modules.count, ranks: kind.ranks.sorted(), movement: kind.difference.movement)
    }
    layers = Set(merged.changes.compactMap(\.layer)).count
    layersOfModel = merged.model.spec.layers.count
    movement = all.movement
    leftOut = merged.leftOut
  }
}
