import Models
import Tensors

/// Finds what differs in the configurations of two models.
enum ConfigurationDifference {
  /// Keys that say who made the files, with what and in which type, and nothing of the model.
  private static let provenance: Set<String> = [
    "dtype", "torch_dtype", "transformers_version", "_name_or_path", "_commit_hash", "_attn_implementation_autoset", "use_cache",
    "quantization_config", "quantization", "unsloth_version", "unsloth_fixed",
  ]

  /// Keys of different values. A key that one of the two lacks counts only where the models compute differently: other formats have fewer.
  static func find(_ first: ModelSource, _ second: ModelSource) -> [ComparisonReport.Difference] {
    let one = first.config.object ?? [:], other = second.config.object ?? [:]
    let keys = Set(one.keys).union(other.keys).subtracting(provenance).sorted()
    let isAlike = first.spec == second.spec
    let found = keys.compactMap { key -> ComparisonReport.Difference? in
      let a = one[key] ?? .null, b = other[key] ?? .null
      guard !isSame(a, b), !isAlike || a != .null && b != .null else { return nil }
      return ComparisonReport.Difference(name: key, first: text(a), second: text(b))
    }
    guard found.isEmpty, !isAlike else { return found }
    return [ComparisonReport.Difference(name: "architecture", first: text(of: first), second: text(of: second))]
  }

  /// Whether two values are equal; 1 and 1.0 are.
  private static func isSame(_ first: JSONValue, _ second: JSONValue) -> Bool {
    if let one = first.double, let other = second.double { return one == other }
    if let one = first.array, let other = second.array {
      return one.count == other.count && zip(one, other).allSatisfy(isSame)
    }
    if let one = first.object, let other = second.object {
      return Set(one.keys).union(other.keys).allSatisfy { isSame(one[$0] ?? .null, other[$0] ?? .null) }
    }
    return first == second
  }

  private static func text(_ value: JSONValue) -> String {
    guard value != .null, let bytes = try? encodeJSON(value) else { return "none" }
    return String(decoding: bytes, as: UTF8.self).printable
  }

  private static func text(of source: ModelSource) -> String {
    "\(source.config["model_type"]?.string?.printable ?? "unnamed"), \(source.spec.layers.count) layers of width \(source.spec.width)"
  }
}
