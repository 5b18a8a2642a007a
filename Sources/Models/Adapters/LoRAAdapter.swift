import Checkpoints
import OrderedCollections
import Tensors

/// An open LoRA adapter: its settings, and its tensors by the module that they are of.
public struct LoRAAdapter: Sendable {
  /// The tensors of one module.
  struct Module: Sendable {
    /// [rank, inputs], of an embedding [rank, tokens].
    var down: (any TensorReader)?
    /// [outputs, rank], of an embedding [width, rank].
    var up: (any TensorReader)?
    /// Whether `down` and `up` are those of an embedding.
    var isEmbedding = false
    /// [outputs]
    var magnitudes: (any TensorReader)?
    /// What replaces the module's own.
    var weight: (any TensorReader)?
    var bias: (any TensorReader)?

    var isLowRank: Bool { down != nil }
  }

  /// The folder.
  public let path: String
  /// What the adapter was trained on, by its maker's word.
  public var baseName: String? { configuration.baseName }
  let configuration: LoRAConfiguration
  let files: [MappedFile]
  let modules: OrderedDictionary<String, Module>

  /// Opens a folder that `peft` saved.
  ///
  /// - Throws: `missingInput` when a file is not there; `badInput` (LORA-1, -2, -3, -4, -7, and the rules of the container).
  public init(path: String) throws(LMToolError) {
    guard isFolder(path) else {
      throw LMToolError(
        .missingInput, "this is no folder; name the one with adapter_config.json and adapter_model.safetensors", file: path)
    }
    self.path = path
    let settings = path + "/adapter_config.json"
    configuration = try LoRAConfiguration(path: settings)
    let checkpoint = try Self.weights(in: path)
    files = try [MappedFile(path: settings)] + checkpoint.files
    do throws(LMToolError) {
      modules = try Self.modules(of: checkpoint.readers, hasMagnitudes: configuration.hasMagnitudes)
    } catch { throw error.within(file: checkpoint.files.first?.path ?? path) }
  }

  private static func weights(in folder: String) throws(LMToolError) -> any Checkpoint {
    let names = ["adapter_model.safetensors", "adapter_model.bin"]
    if exists(folder + "/" + names[0]) { return try SafetensorsCheckpoint(path: folder + "/" + names[0]) }
    if exists(folder + "/" + names[1]) { return try PyTorchCheckpoint(path: folder + "/" + names[1]) }
    throw LMToolError(.missingInput, "the folder has no \(names[0]) and no \(names[1])", file: folder)
  }

  private static func modules(
    of tensors: OrderedDictionary<String, any TensorReader>, hasMagnitudes: Bool
  ) throws(LMToolError) -> OrderedDictionary<String, Module> {
    var modules: OrderedDictionary<String, Module> = [:]
    func refuse(_ name: String, _ message: String, rule: Int = 4) -> LMToolError {
      LMToolError(.badInput, message, at: .tensor(name), rule: "LORA-\(rule)")
    }
    for (name, tensor) in tensors {
      guard let place = AdapterName(name) else { throw refuse(name, "this is no part of a LoRA adapter") }
      guard case .plain(let type) = tensor.storage, type.isFloat else { throw refuse(name, "it holds no floats", rule: 7) }
      guard modules[place.module, default: Module()].set(place.part, tensor) else {
        throw refuse(name, "the adapter has this part of \(place.module.printable) twice")
      }
    }
    for (name, module) in modules {
      guard (module.down == nil) == (module.up == nil) else { throw refuse(name, "of its matrices A and B one is missing") }
      guard (module.magnitudes != nil) == (hasMagnitudes && module.isLowRank) else {
        throw refuse(
          name, "use_dora and the tensors contradict each other: it " + (hasMagnitudes ? "lacks" : "has") + " magnitudes")
      }
      guard !(hasMagnitudes && module.isEmbedding) else { throw refuse(name, "DoRA of an embedding is not supported", rule: 8) }
    }
    return modules
  }
}

extension LoRAAdapter.Module {
  /// Takes a part; false when it is there already, or there are both a matrix's and an embedding's.
  fileprivate mutating func set(_ part: AdapterName.Part, _ tensor: any TensorReader) -> Bool {
    let place: WritableKeyPath<Self, (any TensorReader)?>
    switch part {
    case .down, .embeddingDown: place = \.down
    case .up, .embeddingUp: place = \.up
    case .magnitudes: place = \.magnitudes
    case .weight: place = \.weight
    case .bias: place = \.bias
    }
    let isOfEmbedding = part == .embeddingDown || part == .embeddingUp
    guard self[keyPath: place] == nil else { return false }
    if place == \.down || place == \.up {
      guard down == nil && up == nil || isEmbedding == isOfEmbedding else { return false }
      isEmbedding = isOfEmbedding
    }
    self[keyPath: place] = tensor
    return true
  }
}

/// What the name of an adapter's tensor says: "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight".
struct AdapterName {
  /// What a tensor is in its module.
  enum Part { case down, up, embeddingDown, embeddingUp, magnitudes, weight, bias }

  /// The module: "model.layers.0.self_attn.q_proj".
  let module: String
  let part: Part

  /// Nil when it is no name of a LoRA adapter (LORA-4).
  init?(_ name: String) {
    var words = name.split(separator: ".", omittingEmptySubsequences: false)
    guard !words.contains("") else { return nil }
    if words.starts(with: ["base_model", "model"]) { words.removeFirst(2) }
    if let at = words.firstIndex(where: { $0.hasPrefix("lora_") }) {
      guard at > 0, let part = Self.part(words[at], words[(at + 1)...]) else { return nil }
      self.part = part
      module = words[..<at].joined(separator: ".")
    } else {
      guard words.count > 1, let last = words.popLast(), last == "weight" || last == "bias" else { return nil }
      if let at = words.lastIndex(of: "modules_to_save"), at + 2 >= words.count { words.removeSubrange(at...) }
      if words.last == "base_layer" { words.removeLast() }
      guard !words.isEmpty, !words.contains(where: Self.isOfAnotherKind) else { return nil }
      part = last == "weight" ? .weight : .bias
      module = words.joined(separator: ".")
    }
  }

  /// A part of low rank; `rest` is the adapter's name or nothing, and "weight" or nothing.
  private static func part(_ word: Substring, _ rest: ArraySlice<Substring>) -> Part? {
    guard rest.count < 2 || rest.count == 2 && rest.last == "weight" else { return nil }
    switch word {
    case "lora_A": return rest.last == "weight" ? .down : nil
    case "lora_B": return rest.last == "weight" ? .up : nil
    case "lora_embedding_A": return .embeddingDown
    case "lora_embedding_B": return .embeddingUp
    case "lora_magnitude_vector": return .magnitudes
    default: return nil
    }
  }

  /// Whether a word is a part of other kinds of adapters, whose tensors end with "weight" too.
  private static func isOfAnotherKind(_ word: Substring) -> Bool {
    ["ia3_", "hada_", "lokr_", "oft_", "vera_", "original_module", "prompt_", "modules_to_save"].contains { word.hasPrefix($0) }
  }
}
