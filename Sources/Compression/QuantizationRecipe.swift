import Models
import Quantization
import Tensors

/// Which matrices get which scheme.
public struct QuantizationRecipe: Sendable, Equatable {
  /// The scheme of all matrices but embedding, learned positions and head.
  public var scheme: GridScheme
  /// The scheme of embedding, learned positions and head; nil keeps them in f16.
  public var embeddingScheme: GridScheme?
  /// Tensors whose names match one of these patterns stay in f16; `*` stands for any run of characters.
  public var keep: [String]

  /// A recipe.
  public init(scheme: GridScheme, embeddingScheme: GridScheme?, keep: [String] = []) {
    self.scheme = scheme
    self.embeddingScheme = embeddingScheme
    self.keep = keep
  }

  /// 8 bits in groups of 32, embedding and head alike: nearly lossless.
  public static let int8 = QuantizationRecipe(
    scheme: GridScheme(name: "int8-g32")!, embeddingScheme: GridScheme(name: "int8-g32")!)
  /// 4 bits with a minimum in groups of 32, which follows lopsided groups; embedding and head, which suffer most, in 8 bits.
  public static let int4Minimum = QuantizationRecipe(
    scheme: GridScheme(name: "int4-g32-min")!, embeddingScheme: GridScheme(name: "int8-g32")!)
  /// 4 bits in groups of 32; embedding and head, which suffer most, in 8 bits.
  public static let int4 = QuantizationRecipe(
    scheme: GridScheme(name: "int4-g32")!, embeddingScheme: GridScheme(name: "int8-row")!)
  /// 4 bits throughout: the smallest.
  public static let int4Embedding = QuantizationRecipe(
    scheme: GridScheme(name: "int4-g32")!, embeddingScheme: GridScheme(name: "int4-g32")!)

  /// How a tensor is stored: nil for floats.
  public func scheme(of tensor: TensorSpec) -> GridScheme? {
    guard tensor.shape.count == 2, !keep.contains(where: { Self.matches(tensor.name, pattern: $0) }) else { return nil }
    return [.embedding, .positions, .head].contains(tensor.role) ? embeddingScheme : scheme
  }

  /// What the recipe is, for provenance.
  public var json: JSONValue {
    .object([
      "scheme": .string(scheme.name), "embedding_scheme": .string(embeddingScheme?.name ?? "f16"),
      "keep": .array(keep.map { .string($0) }),
    ])
  }

  /// Whether `name` is matched as a whole by a pattern in which `*` stands for any run of characters. The cost is the
  /// product of the lengths.
  package static func matches(_ name: String, pattern: String) -> Bool {
    let name = Array(name.utf8), pattern = Array(pattern.utf8)
    var reachable = [Bool](repeating: false, count: name.count + 1)
    reachable[0] = true
    for symbol in pattern {
      var next = [Bool](repeating: false, count: name.count + 1)
      for index in 0...name.count {
        if symbol == UInt8(ascii: "*") {
          next[index] = reachable[index] || (index > 0 && next[index - 1])
        } else if index > 0 {
          next[index] = reachable[index - 1] && name[index - 1] == symbol
        }
      }
      reachable = next
    }
    return reachable[name.count]
  }
}
