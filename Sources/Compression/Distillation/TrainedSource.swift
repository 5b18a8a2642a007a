import Kernels
import Models
import OrderedCollections
import Quantization
import Tensors
import Training

extension ModelSource {
  /// The same model with what was trained: rate matrices keep their integers and get other steps, all else becomes floats.
  ///
  /// - Throws: `badInput` where steps would make weights that are not finite.
  func with(_ trained: TrainedModel) throws(LMToolError) -> ModelSource {
    var result = self
    for spec in spec.tensors {
      guard let tensor = trained.tensor(spec) else { continue }
      switch tensor.training {
      case .frozen: break
      case .dense, .lowRank:
        result.tensors[spec.name] = HeldTensor(name: spec.name, shape: spec.shape, floats: tensor.values)
      case .groups(let groups):
        if let grid = tensors[spec.name] as? any GridTensorReader { result.tensors[spec.name] = try Self.healed(grid, groups) }
      case .factors(let factors):
        guard let rate = tensors[spec.name] as? any EncodedRateTensorReader else {
          result.tensors[spec.name] = HeldTensor(name: spec.name, shape: spec.shape, floats: tensor.values)
          continue
        }
        result.tensors[spec.name] = try Self.healed(rate, factors)
      }
    }
    return result
  }

  /// The same codes with the scales and minimums that were trained, rounded to f16.
  private static func healed(_ tensor: any GridTensorReader, _ groups: GroupFactors) throws(LMToolError) -> StoredGridTensor {
    let grid = try tensor.readGrid(), factors = groups.factors.values.array
    func scaled(_ halves: [UInt16]) -> HeldBytes {
      var bytes: [UInt8] = []
      bytes.reserveCapacity(2 * halves.count)
      for (half, factor) in zip(halves, factors) {
        let value = floatToHalf(min(max(halfToFloat(half) * factor, -65504), 65504))
        bytes += [UInt8(truncatingIfNeeded: value), UInt8(value >> 8)]
      }
      return HeldBytes(bytes)
    }
    return try StoredGridTensor(
      name: tensor.name, shape: tensor.shape, scheme: grid.scheme, codes: HeldBytes(grid.codes), scales: scaled(grid.scales),
      minimums: grid.scheme.hasMinimum ? scaled(grid.minimums) : nil)
  }

  private static func healed(
    _ tensor: any EncodedRateTensorReader, _ factors: Factors
  ) throws(LMToolError) -> StoredRateTensor {
    let encoded = try tensor.readEncoded(), steps = tensor.steps
    let rows = zip(steps.rows, factors.rows.values.array).map { $0 * $1 }
    let columns = factors.columns.map { zip(steps.columns, $0.values.array).map { $0 * $1 } } ?? steps.columns
    // Factors that have changed their sign, or are nearly zero, cannot be coded: such a row is as good as not there.
    let held = RateSteps(
      rows: rows.map { max($0, Float.leastNormalMagnitude) }, columns: columns.map { max($0, Float.leastNormalMagnitude) })
    let parameters = try encoded.parameters.with(held)
    return try StoredRateTensor(
      name: tensor.name, parameters: parameters, tables: tensor.tables,
      slots: RateSlots(frequencies: tensor.tables.sets[parameters.set]), lanes: HeldBytes(encoded.lanes))
  }
}
