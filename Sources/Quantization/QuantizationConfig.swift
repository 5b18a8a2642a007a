import Tensors

/// The `quantization_config` of a quantized model directory (rules Q-7 to Q-11).
public struct QuantizationConfig: Sendable, Equatable {
  /// The scheme of every quantized matrix, by its name.
  public var schemes: [String: GridScheme]

  /// The format that this version writes and reads.
  public static let format = 1
  /// What `quant_method` says.
  public static let method = "lmtool"

  /// A config for these matrices.
  public init(schemes: [String: GridScheme]) { self.schemes = schemes }

  /// Reads the key `quantization_config` of a `config.json`; nil when it is not there and the directory holds floats.
  ///
  /// - Throws: `badInput` for another method or format, or an unknown scheme (Q-9).
  public init?(config: JSONValue) throws(LMToolError) {
    guard let value = config["quantization_config"] else { return nil }
    let method = value["quant_method"]?.string ?? "none"
    guard method == Self.method else {
      throw Self.error("the model is quantized by \(method.printable), which lmtool does not read; take its float checkpoint")
    }
    guard value["format"]?.int == Self.format else {
      throw Self.error("the format is not \(Self.format); the directory was written by a newer lmtool")
    }
    schemes = [:]
    for (name, scheme) in value["schemes"]?.object ?? [:] {
      guard let known = scheme.string.flatMap(GridScheme.init(name:)) else {
        throw Self.error("the scheme of \(name.printable) is not one of \(GridScheme.allNames.joined(separator: ", "))")
      }
      schemes[name] = known
    }
  }

  /// The value to store under `quantization_config`.
  public var json: JSONValue {
    .object([
      "quant_method": .string(Self.method), "format": .int(Self.format),
      "schemes": .object(schemes.mapValues { .string($0.name) }),
    ])
  }

  /// The shape of the matrix whose codes have the shape [rows, bytes] (rule Q-8).
  ///
  /// - Throws: `badInput` when the codes have another number of dimensions.
  public static func shape(ofCodes shape: [Int], scheme: GridScheme, name: String) throws(LMToolError) -> [Int] {
    guard shape.count == 2, shape[0] >= 1, (1...GridLayout.maximumCount).contains(shape[1]) else {
      throw LMToolError(
        .badInput, "the codes have the shape \(shape), not [rows, bytes]", at: .tensor(codesName(name)), rule: "Q-7")
    }
    return [shape[0], scheme.bits == 4 ? 2 * shape[1] : shape[1]]
  }

  /// The name of the codes of a matrix.
  public static func codesName(_ name: String) -> String { name + ".codes" }
  /// The name of the scales of a matrix.
  public static func scalesName(_ name: String) -> String { name + ".scales" }
  /// The name of the minimums of a matrix.
  public static func minimumsName(_ name: String) -> String { name + ".minimums" }

  private static func error(_ message: String) -> LMToolError {
    LMToolError(.badInput, message, at: .key("quantization_config"), rule: "Q-9")
  }
}
