import Checkpoints
import Inference
import Kernels
import Models
import OrderedCollections
import Quantization
import Tensors

/// Turns a float model into a quantized model directory (`formats/quantized.md`).
public enum Quantizing {
  /// Writes the quantized directory `folder`, tensor by tensor.
  ///
  /// - Parameter text: what to run the model on so that the errors of weights make up for each other (GPTQ); nil rounds each group of
  ///   weights by itself. Embedding and head are rounded in any case.
  /// - Throws: `usage` when no tensor would be quantized; `badInput` for weights that are not finite.
  public static func run(
    _ source: ModelSource, recipe: QuantizationRecipe, calibratedOn text: CalibrationText? = nil, to folder: String,
    progress: ProgressConsumer? = nil
  ) throws(LMToolError) {
    let plan = source.spec.tensors.map { (spec: $0, scheme: recipe.scheme(of: $0)) }
    try validate(recipe, plan.map(\.spec), source)
    try OutputPath.check(folder, against: source)
    let output = try OutputFolder(path: folder)
    let declared = plan.flatMap { entries(of: $0.spec, scheme: $0.scheme) }
    let writer = try SafetensorsWriter(
      path: output.path(of: SafetensorsCheckpoint.fileName), entries: declared, metadata: ["format": "pt"])
    let tensors = QuantizedTensors(source, recipe, writer, progress: text == nil ? progress : nil)
    if let text { try quantize(source, recipe, on: text, into: tensors, progress: progress) }
    try tensors.write(before: nil)
    try writer.finish()
    let schemes = plan.compactMap { pair in pair.scheme.map { (pair.spec.name, $0) } }
    try ModelFolder.writeTexts(of: source, config: configuration(source, schemes: schemes), to: output)
    try output.commit()
  }

  /// The layers, with feedback of errors, behind the embedding as it is quantized.
  private static func quantize(
    _ source: ModelSource, _ recipe: QuantizationRecipe, on text: CalibrationText, into tensors: QuantizedTensors,
    progress: ProgressConsumer?
  ) throws(LMToolError) {
    var embedding = try LayerMatrices.floats(source.spec.embedding, of: source)
    if let scheme = recipe.scheme(of: source.spec.embedding) {
      let grid = try ClipSearch(scheme).quantize(try source.tensor(source.spec.embedding))
      try tensors.write(grid, of: source.spec.embedding)
      embedding = grid.dequantized()
    }
    let pass = try LayerwisePass(source, windows: text.windows, embedding: embedding)
    let visitor = FeedbackQuantizing(recipe) { (spec, grid) throws(LMToolError) in try tensors.write(grid, of: spec) }
    do throws(LMToolError) { try pass.run(visitor, progress: progress) } catch { throw error.within(file: source.path) }
  }

  /// Whether the model holds matrices in one of our schemes or of rate mode; the types of GGUF and llama2.c do not count.
  static func isQuantized(_ source: ModelSource) -> Bool {
    source.tensors.values.contains {
      $0 is any EncodedRateTensorReader || $0 is any GridTensorReader && GridScheme(name: $0.storage.description) != nil
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

  static func entries(of spec: TensorSpec, scheme: GridScheme?) -> [SafetensorsEntry] {
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

  static func configuration(_ source: ModelSource, schemes: [(String, GridScheme)]) -> JSONValue {
    var config = source.config.object ?? [:]
    config["quantization_config"] = QuantizationConfig(schemes: Dictionary(schemes) { first, _ in first }).json
    return .object(config)
  }
}
