/// Builds llama2.c files of a tiny model as `export.py` does: every tensor holds numbers of its own.
struct Llama2cBuilder {
  let isTied: Bool
  /// Elements by name, in Meta's names.
  var values: [String: [Float]] = [:]

  private static let dim = 8
  private static let hidden = 12
  private static let layers = 2
  private static let vocabulary = 5
  private static let sequence = 3
  /// 4 heads of 2, 2 key-value heads.
  private static let kv = 4

  init(isTied: Bool) {
    self.isTied = isTied
    let (dim, hidden, vocabulary) = (Self.dim, Self.hidden, Self.vocabulary)
    add("tok_embeddings", vocabulary * dim)
    add("norm", dim)
    if !isTied { add("output", vocabulary * dim) }
    for layer in 0..<Self.layers {
      add("layers.\(layer).attention_norm", dim)
      add("layers.\(layer).ffn_norm", dim)
      for (name, rows) in [("wq", dim), ("wk", Self.kv), ("wv", Self.kv), ("wo", dim)] {
        add("layers.\(layer).attention.\(name)", rows * dim)
      }
      for name in ["w1", "w2", "w3"] { add("layers.\(layer).feed_forward.\(name)", hidden * dim) }
    }
  }

  private mutating func add(_ name: String, _ count: Int) {
    let number = Float(values.count)
    values[name + ".weight"] = (0..<count).map { number + Float($0) / 1000 }
  }

  private func dimensions(vocabularySign sign: Int) -> [UInt8] {
    [Self.dim, Self.hidden, Self.layers, 4, 2, sign * Self.vocabulary, Self.sequence].flatMap { bytes(Int32($0)) }
  }

  private func layers(_ name: String) -> [String] { (0..<Self.layers).map { "layers.\($0).\(name)" } }

  private func floats(_ names: [String]) -> [UInt8] { names.flatMap { bytes(values[$0 + ".weight"] ?? []) } }

  private var attention: [String] { ["wq", "wk", "wv", "wo"].flatMap { layers("attention.\($0)") } }
  private var feedForward: [String] { ["w1", "w2", "w3"].flatMap { layers("feed_forward.\($0)") } }
  private var output: [String] { isTied ? [] : ["output"] }

  /// legacy_export.
  var version0: [UInt8] {
    let before = ["tok_embeddings"] + layers("attention_norm") + attention + layers("ffn_norm") + feedForward + ["norm"]
    let tables = [UInt8](repeating: 0xEE, count: Self.sequence * 2 * 4)
    return dimensions(vocabularySign: isTied ? 1 : -1) + floats(before) + tables + floats(output)
  }

  private func header(version: Int32, groupSize: Int32? = nil) -> [UInt8] {
    let head = bytes(UInt32(0x616B_3432)) + bytes(version) + dimensions(vocabularySign: 1) + [isTied ? 1 : 0]
    let whole = head + (groupSize.map { bytes($0) } ?? [])
    return whole + [UInt8](repeating: 0, count: 256 - whole.count)
  }

  private var norms: [String] { layers("attention_norm") + layers("ffn_norm") + ["norm"] }

  /// version1_export.
  var version1: [UInt8] { header(version: 1) + floats(norms + ["tok_embeddings"] + attention + feedForward + output) }

  /// The code of element `index` in version 2.
  static func code(_ index: Int) -> Int8 { Int8(truncatingIfNeeded: index % 255 - 127) }

  /// version2_export, with codes by `code` and scales 1, 2, 3, ... in every matrix.
  func version2(groupSize: Int) -> [UInt8] {
    let matrices = (["tok_embeddings"] + attention + feedForward + output).flatMap { name in
      let count = values[name + ".weight"]?.count ?? 0
      return (0..<count).map { UInt8(bitPattern: Self.code($0)) } + bytes((0..<(count / groupSize)).map { Float($0 + 1) })
    }
    return header(version: 2, groupSize: Int32(groupSize)) + floats(norms) + matrices
  }
}
