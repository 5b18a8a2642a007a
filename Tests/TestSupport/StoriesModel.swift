import Checkpoints
import OrderedCollections
import Tensors

/// Writes the model `stories` as F32 into a new folder, with some keys of its configuration and some values of its
/// tensors changed; `change` gets the name and the elements of every tensor.
///
/// - Throws: what reading the fixture and writing throw.
public func writeStories(
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
    try writer.write(floats: values)
  }
  try writer.finish()
  let config = try OutputFile(path: output.path(of: "config.json"))
  try config.write(try encodeJSON((original.object ?? [:]).merging(keys) { $1 }))
  try config.commit()
  try output.commit()
}

extension SafetensorsWriter {
  /// Appends elements of the current tensor, converted to its type.
  ///
  /// - Throws: what the `write` of a buffer throws.
  public func write(floats: [Float]) throws(LMToolError) {
    var failure: LMToolError?
    floats.withUnsafeBufferPointer { buffer in
      do throws(LMToolError) { try write(floats: buffer) } catch { failure = error }
    }
    if let failure { throw failure }
  }
}
