import Checkpoints
import Tensors

/// A model family: what turns a configuration into a `ModelSpec`. A new family is one file and one line in `Architectures.registry`.
public protocol Architecture: Sendable {
  /// The values of `model_type` in `config.json` that it answers to.
  var modelTypes: [String] { get }
  /// How GGUF files hold models of the family, where llama.cpp runs them.
  var gguf: [any GGUFMapping] { get }
  /// Describes the model.
  ///
  /// - Throws: `badInput` naming the key that is missing, out of bounds, or asks for what is not supported.
  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec
}

extension Architecture {
  /// None.
  public var gguf: [any GGUFMapping] { [] }
}

/// The families that lmtool knows.
public enum Architectures {
  static let registry: [any Architecture] = [
    LlamaArchitecture(), MistralArchitecture(), Ministral3Architecture(), QwenArchitecture(), GemmaArchitecture(),
    Phi3Architecture(), PhiArchitecture(), MixFormerArchitecture(), GPT2Architecture(), GPTNeoArchitecture(),
    GPTJArchitecture(), GPTNeoXArchitecture(), OPTArchitecture(), CohereArchitecture(), StableLMArchitecture(),
    OLMo2Architecture(), SmolLM3Architecture(), GraniteArchitecture(),
  ]

  /// The family of a configuration.
  ///
  /// - Throws: `badInput` (MODEL-1) that names what was found, where it is none of these.
  public static func family(of configuration: Configuration) throws(LMToolError) -> any Architecture {
    let type = try configuration.modelType()
    if let family = registry.first(where: { $0.modelTypes.contains(type) }) { return family }
    let known = registry.flatMap(\.modelTypes).joined(separator: ", ")
    throw LMToolError(
      .badInput, UnsupportedModel.reason(configuration, type: type) + "; known types: \(known)", file: configuration.file,
      at: .key("model_type"), rule: "MODEL-1")
  }

  /// How the files of a GGUF architecture hold models.
  ///
  /// - Throws: `badInput` (MODEL-1) where it is none of the families.
  public static func mapping(gguf name: String, file: String) throws(LMToolError) -> any GGUFMapping {
    let mappings = registry.flatMap(\.gguf)
    if let mapping = mappings.first(where: { $0.traits.name == name }) { return mapping }
    let known = mappings.map(\.traits.name).sorted().joined(separator: ", ")
    throw LMToolError(
      .badInput, "GGUF models of the architecture \(name.printable) are not supported; known: \(known)", file: file,
      at: .key("general.architecture"), rule: "MODEL-1")
  }

  /// How GGUF files hold the model of a configuration; where its layers differ in size, a mapping that knows that, if there is one.
  ///
  /// - Throws: `usage` where llama.cpp does not know the family.
  public static func mapping(of configuration: Configuration) throws(LMToolError) -> any GGUFMapping {
    let type = try configuration.modelType()
    let mappings = registry.flatMap(\.gguf).filter { $0.traits.modelTypes.contains(type) }
    let differs = configuration.json[Configuration.pruned]?["layers"] != nil
    if let mapping = mappings.first(where: { $0.traits.hasLayerSizes == differs }) ?? mappings.first { return mapping }
    throw LMToolError(
      .usage, "GGUF files of the type \(type.printable) cannot be written: llama.cpp does not run such models",
      file: configuration.file)
  }

  /// Describes the model of a configuration.
  public static func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    try family(of: configuration).spec(of: configuration)
  }
}
