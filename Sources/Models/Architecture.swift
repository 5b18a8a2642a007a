import Checkpoints
import Tensors

/// A model family: what turns a configuration into a `ModelSpec`. A new family is one file and one line in `registry`.
public protocol Architecture: Sendable {
  /// The values of `model_type` in `config.json` that it answers to.
  var modelTypes: [String] { get }
  /// The value of `general.architecture` in GGUF files, read and written.
  var ggufName: String { get }
  /// Describes the model.
  ///
  /// - Throws: `badInput` naming the key that is missing, out of bounds, or asks for what is not supported.
  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec
  /// The Hugging Face configuration of a GGUF file's metadata.
  func configuration(of gguf: GGUFFile) throws(LMToolError) -> JSONValue
  /// The GGUF metadata of a model, besides tokenizer and general keys.
  func ggufMetadata(of spec: ModelSpec) -> [(String, GGUFValue)]
  /// Whether GGUF files hold the rows of queries and keys in interleaved rotary order, as llama.cpp's converter writes
  /// them for this family.
  var ggufInterleavesRotary: Bool { get }
}

/// The families that lmtool knows.
public enum Architectures {
  static let registry: [any Architecture] = [
    LlamaArchitecture()
  ]

  /// The family of a configuration.
  public static func named(modelType: String, file: String?) throws(LMToolError) -> any Architecture {
    if let family = registry.first(where: { $0.modelTypes.contains(modelType) }) { return family }
    let known = registry.flatMap(\.modelTypes).joined(separator: ", ")
    throw LMToolError(
      .badInput, "models of the type \(modelType.printable) are not supported; known types: \(known)", file: file,
      at: .key("model_type"), rule: "MODEL-1")
  }

  /// The family of a GGUF file.
  public static func named(gguf name: String, file: String) throws(LMToolError) -> any Architecture {
    if let family = registry.first(where: { $0.ggufName == name }) { return family }
    let known = registry.map(\.ggufName).joined(separator: ", ")
    throw LMToolError(
      .badInput, "GGUF models of the architecture \(name.printable) are not supported; known: \(known)", file: file,
      at: .key("general.architecture"), rule: "MODEL-1")
  }

  /// Describes the model of a configuration.
  public static func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    let family = try named(modelType: try configuration.modelType(), file: configuration.file)
    return try family.spec(of: configuration)
  }
}
