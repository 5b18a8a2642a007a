import Checkpoints
import Tensors

/// Writes a LoRA adapter of rank 1 for the first layer of `stories`: A is 1 and B is `up` everywhere, the rank is alpha.
///
/// - Throws: what writing throws.
/// - Returns: its folder.
@discardableResult
public func writeStoriesAdapter(to folder: String, up: Float, layer: Int = 0) throws(LMToolError) -> String {
  let output = try OutputFolder(path: folder)
  let settings = try OutputFile(path: output.path(of: "adapter_config.json"))
  try settings.write(
    bytes("{\"peft_type\": \"LORA\", \"r\": 1, \"lora_alpha\": 1, \"base_model_name_or_path\": \"stories260K\"}"))
  try settings.commit()
  let module = "base_model.model.model.layers.\(layer).self_attn.q_proj"
  let writer = try SafetensorsWriter(
    path: output.path(of: "adapter_model.safetensors"),
    entries: [
      SafetensorsEntry(name: module + ".lora_A.weight", dtype: .f32, shape: [1, 64]),
      SafetensorsEntry(name: module + ".lora_B.weight", dtype: .f32, shape: [64, 1]),
    ])
  try writer.write(floats: [Float](repeating: 1, count: 64))
  try writer.write(floats: [Float](repeating: up, count: 64))
  try writer.finish()
  try output.commit()
  return folder
}
