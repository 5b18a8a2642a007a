import Checkpoints
import Models
import Quantization
import Tensors

/// A quantized model directory whose scales, norms and biases were trained.
enum QuantizedFolder {
  /// Writes the directory `folder` in the layout of `formats/quantized.md`: matrices of a grid with codes and scales as they are, all else in
  /// the type that `quantize` writes.
  ///
  /// - Throws: `badInput` for weights that are not finite; `cannotCreate` when the folder exists.
  static func write(_ source: ModelSource, to folder: String) throws(LMToolError) {
    try OutputPath.check(folder, against: source)
    let output = try OutputFolder(path: folder)
    let tensors = try source.spec.tensors.map { (spec) throws(LMToolError) in (spec: spec, reader: try source.tensor(spec)) }
    let grids = tensors.map { ($0.reader as? any GridTensorReader).flatMap { GridScheme(name: $0.storage.description) } }
    let entries = zip(tensors, grids).flatMap { Quantizing.entries(of: $0.spec, scheme: $1) }
    let writer = try SafetensorsWriter(
      path: output.path(of: SafetensorsCheckpoint.fileName), entries: entries, metadata: ["format": "pt"])
    for (spec, reader) in tensors {
      if let grid = reader as? any GridTensorReader, GridScheme(name: grid.storage.description) != nil {
        try writer.write(try grid.readGrid())
      } else {
        try FloatPieces.read(reader, as: Quantizing.plainType(of: spec), of: source.path, remedy: "lower --rate") {
          (floats) throws(LMToolError) in try writer.write(floats: floats)
        }
      }
    }
    try writer.finish()
    let schemes = zip(tensors, grids).compactMap { pair, scheme in scheme.map { (pair.spec.name, $0) } }
    try ModelFolder.writeTexts(of: source, config: Quantizing.configuration(source, schemes: schemes), to: output)
    try output.commit()
  }
}
