import Models
import OrderedCollections
import Quantization
import Tensors

extension RateReport {
  /// The report on a model whose matrices are in an account, and whose file has so many bytes; quality and times are added afterwards.
  init(_ source: ModelSource, _ account: RateAccount, bytes: Int, originalBytes: Int) {
    let tables = account.tables
    var tensors: [Tensor] = [], parts: [String: (parameters: Int, bytes: Int)] = [:]
    for spec in source.spec.tensors {
      let count = spec.shape.reduce(1, *)
      guard let histogram = account.histograms[spec.name] else {
        let part = spec.isMatrix ? spec.role.part : "norms"
        parts[part, default: (0, 0)].parameters += count
        parts[part, default: (0, 0)].bytes += (spec.isMatrix ? 2 : 4) * count
        continue
      }
      let bits = tables.bits(histogram, set: tables.best(for: histogram))
      let scale = account.scale(spec.name)
      tensors.append(
        Tensor(
          name: spec.name, part: spec.role.part, parameters: count, bits: bits / Double(max(1, count)),
          sensitivity: 1 / (scale * scale), step: account.steps[spec.name] ?? 0, largest: histogram.largest))
      parts[spec.role.part, default: (0, 0)].parameters += count
      parts[spec.role.part, default: (0, 0)].bytes += Int(bits / 8)
    }
    let known = parts.values.reduce(0) { $0 + $1.bytes }
    var list = parts.sorted { $0.key < $1.key }.map { Part(name: $0.key, parameters: $0.value.parameters, bytes: $0.value.bytes) }
    list.append(Part(name: "tokenizer, contexts, manifest", parameters: 0, bytes: bytes - known))
    self.init(
      budget: nil, bytes: bytes, originalBytes: originalBytes, parameters: source.parameterCount,
      vocabularyBefore: source.spec.vocabularySize, vocabularyAfter: source.spec.vocabularySize, vocabularyReason: "kept whole",
      calibrationTokens: 0, level: (tensors.first.map { $0.step / account.scale($0.name) }) ?? 0, parts: list, tensors: tensors,
      quality: [], seconds: [:])
  }

  /// Puts in what the file has in the end; the difference is that of its last part.
  mutating func correct(bytes: Int) {
    parts[parts.count - 1].bytes += bytes - self.bytes
    self.bytes = bytes
  }
}

extension RateReport.Structure {
  /// What became of `before`.
  init(_ before: ModelSpec, _ after: ModelSpec, reason: String) {
    func part(_ name: String, _ count: (LayerSpec) -> Int) -> Part {
      Part(name: name, before: before.layers.reduce(0) { $0 + count($1) }, after: after.layers.reduce(0) { $0 + count($1) })
    }
    parts = [
      part("layers") { _ in 1 }, part("channels of MLPs") { $0.mlp.up.outputs },
      part("heads of keys and values") { $0.attention.keyValueHeads },
    ]
    self.reason = reason
  }
}
