import Checkpoints
import Models
import OrderedCollections
import Tensors
import Training

/// Where the training behind quantized layers was after the last of them: everything that the rest of it depends on, in one safetensors
/// file of a work folder.
struct SuffixTrainingCheckpoint {
  /// What is not numbers of parameters.
  struct State: Codable {
    /// Tokens so far.
    var tokens = 0
    /// Epochs that were begun.
    var epoch: UInt64 = 0
    /// Windows of the epoch that are still to come.
    var order: [Int] = []
    /// Steps so far.
    var steps = 0
    /// Seconds so far.
    var seconds = 0.0
    /// Seconds before the last interruption.
    var secondsBefore = 0.0
    /// What was done.
    var stages: [SuffixTrainingStage] = []
  }

  private let folder: JobFolder
  private static let stateKey = "state"

  /// The checkpoint of a job.
  init(_ folder: JobFolder) { self.folder = folder }

  private func path(_ layer: Int) -> String { "\(folder.path)/training-\(layer).safetensors" }

  private var newest: Int? {
    folder.names.compactMap { name -> Int? in
      guard name.hasPrefix("training-"), name.hasSuffix(".safetensors") else { return nil }
      return Int(name.dropFirst(9).dropLast(12))
    }.max()
  }

  /// Keeps the state, and removes what was kept before.
  func save(_ state: State, _ student: TrainedModel, _ optimizer: AdamW) throws(LMToolError) {
    guard let layer = state.stages.last?.layer else { return }
    let before = newest, vectors = student.spec.tensors.filter { !$0.isMatrix }
    var parts: [(name: String, floats: Floats)] = []
    for vector in vectors { if let tensor = student.tensor(vector) { parts.append(("\(vector.name).kept", tensor.values)) } }
    for (parameter, moments) in zip(optimizer.parameters, optimizer.moments) {
      parts.append(("\(parameter.name).values", parameter.values))
      parts.append(("\(parameter.name).first", moments.first))
      parts.append(("\(parameter.name).second", moments.second))
    }
    let json = String(decoding: try encodeJSON(state), as: UTF8.self)
    let writer = try SafetensorsWriter(
      path: path(layer), entries: parts.map { SafetensorsEntry(name: $0.name, dtype: .f32, shape: [$0.floats.count]) },
      metadata: [Self.stateKey: json])
    for part in parts { try writer.write(floats: UnsafeBufferPointer(start: part.floats.pointer, count: part.floats.count)) }
    try writer.finish()
    if let before, before != layer { removeTree(path(before)) }
  }

  /// Puts the newest state in the place of the present one.
  ///
  /// - Parameter retire: takes a layer that is quantized out of the optimizer.
  /// - Returns: nil when nothing was kept.
  /// - Throws: `badInput` for a file that is not what `save` wrote.
  func load(into student: TrainedModel, _ optimizer: AdamW, retire: (Int) -> Void) throws(LMToolError) -> State? {
    guard let layer = newest else { return nil }
    let file = try SafetensorsFile(path: path(layer))
    func damaged(_ what: String) -> LMToolError {
      LMToolError(.badInput, "the checkpoint \(what); remove the work folder to begin anew", file: file.file.path)
    }
    guard let text = file.metadata[Self.stateKey] else { throw damaged("has no state") }
    var state = try Array(text.utf8).withUnsafeBytesTyped { (bytes) throws(LMToolError) in
      try decodeJSON(State.self, bytes: bytes)
    }
    guard state.stages.last?.layer == layer, layer < student.spec.layers.count else { throw damaged("has no such layer") }
    func update(_ floats: Floats, _ name: String) throws(LMToolError) {
      guard let tensor = file.tensors[name], tensor.shape == [floats.count] else { throw damaged("lacks \(name)") }
      floats.update(from: try tensor.readAll())
    }
    for vector in student.spec.tensors where !vector.isMatrix {
      if let tensor = student.tensor(vector) { try update(tensor.values, "\(vector.name).kept") }
    }
    for quantized in 0..<layer { retire(quantized) }
    for (parameter, moments) in zip(optimizer.parameters, optimizer.moments) {
      try update(parameter.values, "\(parameter.name).values")
      try update(moments.first, "\(parameter.name).first")
      try update(moments.second, "\(parameter.name).second")
    }
    optimizer.resume(after: state.steps)
    state.secondsBefore = state.seconds
    return state
  }
}
