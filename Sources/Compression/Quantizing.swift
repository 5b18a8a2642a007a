import Checkpoints
import Models
import OrderedCollections
import Quantization
import Tensors

/// Turns a float model into a quantized model directory (`formats/quantized.md`).
public enum Quantizing {
  /// Writes the quantized directory `folder`, tensor by tensor.
  ///
  /// - Throws: `usage` when no tensor would be quantized; `badInput` for weights that are not finite.
  public static func run(
    _ source: ModelSource, recipe: QuantizationRecipe, to folder: String, progress: ProgressConsumer? = nil
  ) throws(LMToolError) {
    let plan = source.spec.tensors.map { (spec: $0, scheme: recipe.scheme(of: $0)) }
    try validate(recipe, plan.map(\.spec), source)
    try OutputPath.check(folder, against: source)
    let output = try OutputFolder(path: folder)
    let declared = plan.flatMap { entries(of: $0.spec, scheme: $0.scheme) }
    let writer = try SafetensorsWriter(
      path: output.path(of: SafetensorsCheckpoint.fileName), entries: declared, metadata: ["format": "pt"])
    let total = source.parameterCount
    var done = 0
    for (spec, scheme) in plan {
      let tensor = try source.tensor(spec)
      do throws(LMToolError) {
        try write(tensor, scheme: scheme, path: source.path, to: writer)
      } catch { throw error.within(file: source.path) }
      tensor.discard()
      done += tensor.count
      progress?(ProgressUpdate(stage: "quantize", done: done * 4, total: total * 4, unit: .bytes))
    }
    try writer.finish()
    let schemes = plan.compactMap { pair in pair.scheme.map { (pair.spec.name, $0) } }
    try ModelFolder.writeTexts(of: source, config: configuration(source, schemes: schemes), to: output)
    try output.commit()
  }

  /// Whether the model holds matrices in one of our schemes or of rate mode; the types of GGUF and llama2.c do not count.
  static func isQuantized(_ source: ModelSource) -> Bool {
    source.tensors.values.contains {
      $0 is any RateTensorReader || $0 is any GridTensorReader && GridScheme(name: $0.storage.description) != nil
    }
  }

  private static func validate(
    _ recipe: QuantizationRecipe, _ tensors: [TensorSpec], _ source: ModelSource
  ) throws(LMToolError) {
    if isQuantized(source) {
      throw LMToolError(
        .usage, "the model is quantized already; quantize the float original instead of losing twice", file: source.path)
    }
    for pattern in recipe.keep where !tensors.contains(where: { QuantizationRecipe.matches($0.name, pattern: pattern) }) {
      throw LMToolError(.usage, "no tensor matches --keep \(pattern.printable); see lmtool inspect --tensors", file: source.path)
    }
  }

  private static func entries(of spec: TensorSpec, scheme: GridScheme?) -> [SafetensorsEntry] {
    guard let scheme, let layout = try? GridLayout(shape: spec.shape, scheme: scheme) else {
      return [SafetensorsEntry(name: spec.name, dtype: plainType(of: spec), shape: spec.shape)]
    }
    let scales = [layout.rows, layout.groupsPerRow]
    let parts = [
      SafetensorsEntry(name: QuantizationConfig.codesName(spec.name), dtype: .u8, shape: [layout.rows, layout.bytesPerRow]),
      SafetensorsEntry(name: QuantizationConfig.scalesName(spec.name), dtype: .f16, shape: scales),
    ]
    guard scheme.hasMinimum else { return parts }
    return parts + [SafetensorsEntry(name: QuantizationConfig.minimumsName(spec.name), dtype: .f16, shape: scales)]
  }

  /// Matrices that are kept are f16; norms and biases, which cost nothing, f32.
  static func plainType(of spec: TensorSpec) -> DType { spec.shape.count == 2 ? .f16 : .f32 }

  private static func write(
    _ tensor: any TensorReader, scheme: GridScheme?, path: String, to writer: SafetensorsWriter
  ) throws(LMToolError) {
    guard let scheme else {
      let type: DType = tensor.shape.count == 2 ? .f16 : .f32
      return try FloatPieces.read(tensor, as: type, of: path, remedy: "quantize the tensor instead of keeping it") {
        (floats) throws(LMToolError) in try writer.write(floats: floats)
      }
    }
    let grid = try ClipSearch(scheme).quantize(tensor)
    try grid.codes.withUnsafeBytesTyped { (bytes) throws(LMToolError) in try writer.write(raw: bytes) }
    try writer.write(halves: grid.scales)
    if scheme.hasMinimum { try writer.write(halves: grid.minimums) }
  }

  private static func configuration(_ source: ModelSource, schemes: [(String, GridScheme)]) -> JSONValue {
    var config = source.config.object ?? [:]
    config["quantization_config"] = QuantizationConfig(schemes: Dictionary(schemes) { first, _ in first }).json
    return .object(config)
  }
}

extension SafetensorsWriter {
  /// Appends f16 bits, little-endian.
  fileprivate func write(halves: [UInt16]) throws(LMToolError) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(2 * halves.count)
    for half in halves {
      bytes.append(UInt8(truncatingIfNeeded: half))
      bytes.append(UInt8(half >> 8))
    }
    try bytes.withUnsafeBytesTyped { (bytes) throws(LMToolError) in try write(raw: bytes) }
  }
}
