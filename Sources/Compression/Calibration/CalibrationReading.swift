import Checkpoints
import Models
import OrderedCollections
import Tensors

extension Calibration {
  /// Reads the file that `collect` wrote for `source`.
  ///
  /// - Throws: `missingInput`; `badInput` by rules CAL-1 to CAL-5, also when it is the calibration of another model.
  public init(file path: String, for source: ModelSource) throws(LMToolError) {
    let stored = try StoredMoments(path: path)
    let model = try ModelFingerprint.of(source)
    try stored.check(model: model)
    let tensors = try CalibrationTensors(stored.file, source.spec)
    self.model = model
    windows = try tensors.windows()
    sensitivities = try tensors.sensitivities()
    noise = try tensors.noise()
    headMoment = try stored.read(CalibrationLayout.head, size: source.spec.head.inputs)
    effectiveRanks = try tensors.floats(CalibrationLayout.ranks).map(Double.init)
    moments = stored
    for group in CalibrationLayout.groups(of: source.spec) { _ = try stored.read(group) }
  }
}

/// The second moments of a calibration file, read when they are asked for.
struct StoredMoments: Sendable {
  let file: SafetensorsFile

  /// - Throws: `missingInput`; `badInput` by CAL-1.
  init(path: String) throws(LMToolError) {
    file = try SafetensorsFile(path: path)
    for (key, value) in CalibrationLayout.metadata.sorted(by: { $0.key < $1.key }) where file.metadata[key] != value {
      let found = file.metadata[key].map { "is \($0.printable)" } ?? "is missing"
      throw LMToolError(
        .badInput, "it \(found), where a calibration says \(value); name a file that lmtool calibrate wrote", file: path,
        at: .key(key),
        rule: "CAL-1")
    }
  }

  /// Refuses the calibration of another model (CAL-3).
  func check(model: String) throws(LMToolError) {
    guard file.metadata[CalibrationLayout.modelKey] == model else {
      throw LMToolError(
        .badInput, "this is the calibration of another model; make one of this model with lmtool calibrate", file: file.file.path,
        at: .key(CalibrationLayout.modelKey), rule: "CAL-3")
    }
  }

  /// The moment of a group, [inputs, inputs].
  ///
  /// - Throws: `badInput` by CAL-2 and CAL-5.
  func read(_ group: MatrixGroup) throws(LMToolError) -> [Float] {
    try read(CalibrationLayout.moment(group), size: group.inputs)
  }

  /// The moment of this name, [size, size].
  ///
  /// - Throws: `badInput` by CAL-2 and CAL-5.
  func read(_ name: String, size: Int) throws(LMToolError) -> [Float] {
    guard let tensor = file.tensors[name], tensor.dtype == .f32, tensor.shape == [size * (size + 1) / 2] else {
      throw LMToolError(
        .badInput, "the moment is missing or of another size", file: file.file.path, at: .tensor(name), rule: "CAL-2")
    }
    let upper = try tensor.readAll()
    tensor.discard()
    var moment = [Float](repeating: 0, count: size * size), next = 0, isSound = true
    for row in 0..<size {
      isSound = isSound && upper[next] >= 0
      for column in row..<size {
        isSound = isSound && upper[next].isFinite
        moment[row * size + column] = upper[next]
        moment[column * size + row] = upper[next]
        next += 1
      }
    }
    guard isSound else {
      throw LMToolError(
        .badInput, "it has elements that are not finite, or negative ones on its diagonal", file: file.file.path,
        at: .tensor(name),
        rule: "CAL-5")
    }
    return moment
  }
}

/// The other tensors of a calibration file, whose names, types and shapes are checked (CAL-2).
private struct CalibrationTensors {
  private let file: SafetensorsFile
  private let spec: ModelSpec
  private let shape: [Int]

  init(_ file: SafetensorsFile, _ spec: ModelSpec) throws(LMToolError) {
    self.file = file
    self.spec = spec
    shape = file.tensors[CalibrationLayout.tokens]?.shape ?? []
    guard shape.count == 2, shape[0] >= 1, (1...spec.contextLength).contains(shape[1]) else {
      throw broken("it must be windows of 1 to \(spec.contextLength) tokens each", CalibrationLayout.tokens, "CAL-2")
    }
    let entries = CalibrationLayout.entries(of: spec, windows: shape[0], length: shape[1])
    for entry in entries {
      guard let tensor = file.tensors[entry.name] else { throw broken("it is missing", entry.name, "CAL-2") }
      guard tensor.dtype == entry.dtype, tensor.shape == entry.shape else {
        throw broken("it must be \(entry.dtype.rawValue) of the shape \(entry.shape)", entry.name, "CAL-2")
      }
    }
    let known = Set(entries.map(\.name))
    if let other = file.tensors.keys.first(where: { !known.contains($0) }) {
      throw broken("a calibration of this model has no such tensor", other, "CAL-2")
    }
  }

  func windows() throws(LMToolError) -> TokenWindows {
    let tokens = file.tensors[CalibrationLayout.tokens]?.withBytes { bytes in
      (0..<bytes.count / 4).map { Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self)) }
    }
    guard let tokens, tokens.allSatisfy({ $0 >= 0 && $0 < spec.vocabularySize }) else {
      throw broken("it holds tokens that are not in the vocabulary", CalibrationLayout.tokens, "CAL-4")
    }
    return TokenWindows(tokens, length: shape[1])
  }

  func noise() throws(LMToolError) -> [String: Double] {
    let values = try floats(CalibrationLayout.noise, isPositive: true)
    return Dictionary(zip(CalibrationLayout.matrices(of: spec), values.map(Double.init))) { first, _ in first }
  }

  func sensitivities() throws(LMToolError) -> Sensitivities {
    var result = Sensitivities()
    let values = try floats(CalibrationLayout.matrices, isPositive: true)
    for (name, value) in zip(CalibrationLayout.matrices(of: spec), values) { result.matrices[name] = Double(value) }
    result.embedding = Double(try floats(CalibrationLayout.embedding, isPositive: true)[0])
    result.logits = try floats(CalibrationLayout.logits)
    return result
  }

  /// The elements of a tensor (CAL-4).
  func floats(_ name: String, isPositive: Bool = false) throws(LMToolError) -> [Float] {
    guard let values = try file.tensors[name]?.readAll() else { throw broken("it is missing", name, "CAL-2") }
    guard values.allSatisfy({ $0.isFinite && (isPositive ? $0 > 0 : $0 >= 0) }) else {
      throw broken("it holds numbers that are not finite, or not above zero", name, "CAL-4")
    }
    return values
  }

  private func broken(_ message: String, _ tensor: String, _ rule: String) -> LMToolError {
    LMToolError(.badInput, message, file: file.file.path, at: .tensor(tensor), rule: rule)
  }
}
