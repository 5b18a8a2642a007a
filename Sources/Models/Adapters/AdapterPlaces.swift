import OrderedCollections
import Tensors

/// Where the modules that adapters name are in a model.
struct AdapterPlaces {
  /// A tensor of the model that lies in a stored one, or has one of its slices there.
  struct Place {
    let tensor: TensorSpec
    let slice: TensorSlice
  }

  private var places: [String: [Place]] = [:]
  /// What stands before the names of the body: "model.".
  private let body: String

  init(_ spec: ModelSpec) {
    for tensor in spec.tensors {
      for slice in tensor.slices { places[slice.name, default: []].append(Place(tensor: tensor, slice: slice)) }
    }
    body = spec.embedding.slices[0].name.split(separator: ".").dropLast(2).map { $0 + "." }.joined()
  }

  /// The tensors of the model in the stored tensor `part` ("weight") of a module; none when the model does not have it.
  func find(_ module: String, _ part: String) -> [Place] {
    for name in spellings(module) {
      if let found = places[name + "." + part] { return found }
    }
    return []
  }

  /// The module as the family names it, of a bare body, or inside of a multimodal or otherwise wrapped model.
  private func spellings(_ module: String) -> [String] {
    var names = [module, body + module]
    for (wrapper, inner) in [("model.language_model.", body), ("language_model.", ""), ("module.", "")]
    where module.hasPrefix(wrapper) {
      names.append(inner + module.dropFirst(wrapper.count))
    }
    return names
  }

  /// Whether a module is of what a multimodal model has besides the language model.
  static func isOutside(_ module: String) -> Bool {
    let parts: Set<Substring> = [
      "vision_tower", "vision_model", "visual", "multi_modal_projector", "audio_tower", "embed_vision", "embed_audio",
    ]
    return module.split(separator: ".").contains { parts.contains($0) }
  }
}
