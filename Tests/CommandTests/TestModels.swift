import Checkpoints
import OrderedCollections
import Tensors

/// Writes the small model into `folder`, with some keys of its configuration and some values of its tensors changed.
func writeStories(
  to folder: String, config keys: [String: JSONValue] = [:], _ change: (String, inout [Float]) -> Void = { _, _ in }
) throws(LMToolError) {
  let source = try SafetensorsFile(path: stories + "/model.safetensors")
  let original = try decodeJSON(JSONValue.self, file: try MappedFile(path: stories + "/config.json"))
  let output = try OutputFolder(path: folder)
  let entries = source.tensors.values.map { SafetensorsEntry(name: $0.name, dtype: .f32, shape: $0.shape) }
  let writer = try SafetensorsWriter(path: output.path(of: SafetensorsCheckpoint.fileName), entries: entries)
  for tensor in source.tensors.values {
    var values = try tensor.readAll()
    change(tensor.name, &values)
    try writer.write(raw: values)
  }
  try writer.finish()
  let config = try OutputFile(path: output.path(of: "config.json"))
  try config.write(try encodeJSON((original.object ?? [:]).merging(keys) { $1 }))
  try config.commit()
  try output.commit()
}

extension SafetensorsWriter {
  fileprivate func write(raw values: [Float]) throws(LMToolError) {
    let bytes = values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt32($0))) } }
    try bytes.withUnsafeBytesTyped { (bytes) throws(LMToolError) in try write(raw: bytes) }
  }
}
