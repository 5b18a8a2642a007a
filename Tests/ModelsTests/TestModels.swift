import Checkpoints
import Models
import Tensors
import TestSupport
import Testing

/// The smallest LLaMA: one layer, two heads of four, one key-value head, an untied head.
let tinyConfig: [String: JSONValue] = [
  "model_type": .string("llama"), "vocab_size": .int(5), "hidden_size": .int(8), "intermediate_size": .int(12),
  "num_hidden_layers": .int(1), "num_attention_heads": .int(2), "num_key_value_heads": .int(1),
]

/// The tiny configuration with some keys changed or, with nil, taken away.
func tiny(_ changes: [String: JSONValue?] = [:]) -> JSONValue {
  var members = tinyConfig
  for (key, value) in changes { members[key] = value }
  return .object(members)
}

func spec(_ changes: [String: JSONValue?] = [:]) throws -> ModelSpec {
  try Architectures.spec(of: Configuration(tiny(changes), file: "config.json"))
}

/// A model directory with the tensors that `spec` names, changed by `edit`; element i of every tensor is i.
func writeModel(
  to folder: TestFolder, config: JSONValue = tiny(), edit: (inout [SafetensorsEntry]) -> Void = { _ in }
) throws {
  let spec = try Architectures.spec(of: Configuration(config))
  var entries = spec.tensors.map { SafetensorsEntry(name: $0.name, dtype: .f32, shape: $0.shape) }
  edit(&entries)
  let writer = try SafetensorsWriter(path: folder.path + "/model.safetensors", entries: entries)
  for entry in entries {
    try writer.write(floats: (0..<(elementCount(entry.shape) ?? 0)).map(Float.init))
  }
  try writer.finish()
  try folder.write("config.json", try encodeJSON(config))
}
