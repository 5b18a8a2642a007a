import Checkpoints
import Models
import Quantization
import Tensors

/// The tensors of a quantized model on their way into its file, in the order of the model.
final class QuantizedTensors {
  private let source: ModelSource
  private let recipe: QuantizationRecipe
  private let writer: SafetensorsWriter
  private let progress: ProgressConsumer?
  private var rest: ArraySlice<TensorSpec>
  private var done = 0

  init(_ source: ModelSource, _ recipe: QuantizationRecipe, _ writer: SafetensorsWriter, progress: ProgressConsumer?) {
    self.source = source
    self.recipe = recipe
    self.writer = writer
    self.progress = progress
    rest = source.spec.tensors[...]
  }

  /// Writes a matrix that was quantized already, after those before it.
  func write(_ grid: GridTensor, of spec: TensorSpec) throws(LMToolError) {
    try write(before: spec)
    try writer.write(grid)
    rest.removeFirst()
  }

  /// Writes the tensors before `spec`, or all that are left, each rounded by itself or as floats.
  func write(before spec: TensorSpec?) throws(LMToolError) {
    while let next = rest.first, next.name != spec?.name {
      let tensor = try source.tensor(next)
      do throws(LMToolError) { try write(tensor, scheme: recipe.scheme(of: next)) } catch {
        throw error.within(file: source.path)
      }
      tensor.discard()
      rest.removeFirst()
      done += tensor.count
      progress?(ProgressUpdate(stage: "quantize", done: done * 4, total: source.parameterCount * 4, unit: .bytes))
    }
  }

  private func write(_ tensor: any TensorReader, scheme: GridScheme?) throws(LMToolError) {
    guard let scheme else {
      let type: DType = tensor.shape.count == 2 ? .f16 : .f32
      return try FloatPieces.read(tensor, as: type, of: source.path, remedy: "quantize the tensor instead of keeping it") {
        (floats) throws(LMToolError) in try writer.write(floats: floats)
      }
    }
    try writer.write(try ClipSearch(scheme).quantize(tensor))
  }
}

extension SafetensorsWriter {
  /// Appends codes, scales and minimums.
  func write(_ grid: GridTensor) throws(LMToolError) {
    try grid.codes.withUnsafeBytesTyped { (bytes) throws(LMToolError) in try write(raw: bytes) }
    try write(halves: grid.scales)
    if grid.scheme.hasMinimum { try write(halves: grid.minimums) }
  }

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
