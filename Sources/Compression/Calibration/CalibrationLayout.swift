import Checkpoints
import Models
import Tensors

/// The tensors of a calibration file (`formats/calibration.md`).
enum CalibrationLayout {
  static let metadata = ["format": "lmtool calibration", "version": "1"]
  static let modelKey = "model"
  static let tokens = "tokens"
  static let head = "moments.head"
  static let ranks = "effective_ranks"
  static let noise = "noise"
  static let matrices = "sensitivities.matrices"
  static let embedding = "sensitivities.embedding"
  static let logits = "sensitivities.logits"

  /// The name of the moment of a group.
  static func moment(_ group: MatrixGroup) -> String { "moments.\(group.layer).\(group.kind.rawValue)" }

  /// All groups of a model, in the order of computation.
  static func groups(of spec: ModelSpec) -> [MatrixGroup] {
    spec.layers.enumerated().flatMap { MatrixGroup.groups(of: $1, layer: $0) }
  }

  /// The matrices of all layers, by tensor name, in the order of the model.
  static func matrices(of spec: ModelSpec) -> [String] { groups(of: spec).flatMap { $0.linears.map(\.weight.name) } }

  /// Every tensor, in its order (CAL-2).
  static func entries(of spec: ModelSpec, windows: Int, length: Int) -> [SafetensorsEntry] {
    let groups = groups(of: spec)
    let moments = groups.map {
      SafetensorsEntry(name: moment($0), dtype: .f32, shape: [$0.inputs * ($0.inputs + 1) / 2])
    }
    return [SafetensorsEntry(name: tokens, dtype: .i32, shape: [windows, length])] + moments + [
      SafetensorsEntry(name: head, dtype: .f32, shape: [spec.head.inputs * (spec.head.inputs + 1) / 2]),
      SafetensorsEntry(name: ranks, dtype: .f32, shape: [groups.count]),
      SafetensorsEntry(name: noise, dtype: .f32, shape: [matrices(of: spec).count]),
      SafetensorsEntry(name: matrices, dtype: .f32, shape: [matrices(of: spec).count]),
      SafetensorsEntry(name: embedding, dtype: .f32, shape: [1]),
      SafetensorsEntry(name: logits, dtype: .f32, shape: [spec.vocabularySize]),
    ]
  }
}

/// Writes a calibration as it is made, moment by moment.
final class CalibrationWriter {
  private let writer: SafetensorsWriter
  private let spec: ModelSpec

  /// Creates the file and writes the tokens.
  init(path: String, model: String, spec: ModelSpec, windows: TokenWindows) throws(LMToolError) {
    self.spec = spec
    let metadata = CalibrationLayout.metadata.merging([CalibrationLayout.modelKey: model]) { $1 }
    writer = try SafetensorsWriter(
      path: path, entries: CalibrationLayout.entries(of: spec, windows: windows.count, length: windows.length), metadata: metadata
    )
    let bytes = windows.tokens.flatMap { token in (0..<4).map { UInt8(truncatingIfNeeded: token >> (8 * $0)) } }
    try bytes.withUnsafeBytesTyped { (bytes) throws(LMToolError) in try writer.write(raw: bytes) }
  }

  /// Writes the next moment, [size, size].
  func write(_ moment: [Float], size: Int) throws(LMToolError) {
    for row in 0..<size { try write(moment[row * size + row..<(row + 1) * size]) }
  }

  /// Writes the rest, and gives the file its name.
  func finish(_ sensitivities: Sensitivities, effectiveRanks: [Double], noise: [String: Double]) throws(LMToolError) {
    try write(effectiveRanks.map { Float($0) }[...])
    try write(CalibrationLayout.matrices(of: spec).map { Float(noise[$0] ?? 0) }[...])
    try write(CalibrationLayout.matrices(of: spec).map { Float(sensitivities.matrices[$0] ?? 0) }[...])
    try write([Float(sensitivities.embedding)])
    try write(sensitivities.logits[...])
    try writer.finish()
  }

  private func write(_ floats: ArraySlice<Float>) throws(LMToolError) {
    var failure: LMToolError?
    floats.withUnsafeBufferPointer { floats in
      do throws(LMToolError) { try writer.write(floats: floats) } catch { failure = error }
    }
    if let failure { throw failure }
  }
}
