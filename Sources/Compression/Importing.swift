import Checkpoints
import Models
import OrderedCollections
import Tensors

/// Turns a checkpoint of any format into a model directory that `transformers` opens: tensors as checkpoints of the family hold them.
public enum Importing {
  /// The type that a model is written in unless one is asked for: that of its matrices, f16 for quantized files.
  public static func defaultType(of source: ModelSource) -> DType {
    let matrices = source.tensors.values.filter { $0.shape.count == 2 }.map(\.storage)
    if matrices.contains(.plain(.f32)) || matrices.contains(.plain(.f64)) { return .f32 }
    return matrices.allSatisfy { $0 == .plain(.bf16) } ? .bf16 : .f16
  }

  /// Writes the model directory `folder`, tensor by tensor: memory does not grow with the model.
  ///
  /// - Parameter type: f32, f16 or bf16; nil for `defaultType`.
  /// - Throws: `badInput` for weights that are not finite or do not fit the type; `cannotCreate` when the folder exists.
  public static func run(
    _ source: ModelSource, to folder: String, type wanted: DType? = nil, progress: ProgressConsumer? = nil
  ) throws(LMToolError) {
    try OutputPath.check(folder, against: source)
    let type = wanted ?? defaultType(of: source)
    let output = try OutputFolder(path: folder)
    let tensors = source.checkpointTensors
    let entries = tensors.map { SafetensorsEntry(name: $0.name, dtype: type, shape: $0.shape) }
    let writer = try SafetensorsWriter(
      path: output.path(of: SafetensorsCheckpoint.fileName), entries: entries, metadata: ["format": "pt"])
    let total = source.parameterCount
    var done = 0
    for tensor in tensors {
      try FloatPieces.read(tensor, as: type, of: source.path, remedy: "choose --dtype bf16 or f32") {
        (floats) throws(LMToolError) in
        try writer.write(floats: floats)
        done += floats.count
        progress?(ProgressUpdate(stage: "import", done: done * type.size, total: total * type.size, unit: .bytes))
      }
    }
    try writer.finish()
    try ModelFolder.writeTexts(of: source, config: configuration(of: source, type: type), to: output)
    try output.commit()
  }

  /// The configuration with the type of the weights, and without a quantization that is undone.
  static func configuration(of source: ModelSource, type: DType) -> JSONValue {
    var config = source.config.object ?? [:]
    config["quantization_config"] = nil
    let key = config["dtype"] == nil ? "torch_dtype" : "dtype"
    config[key] = type.torchName.map { .string($0) }
    return .object(config)
  }
}
