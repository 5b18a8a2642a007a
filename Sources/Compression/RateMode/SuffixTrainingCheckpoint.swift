import Models
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

  private let file: StateFile<State>

  /// The checkpoint of a job.
  init(_ folder: JobFolder) { file = StateFile(folder, prefix: "training-") }

  /// Keeps the state, and removes what was kept before.
  func save(_ state: State, _ student: TrainedModel, _ optimizer: AdamW) throws(LMToolError) {
    guard let layer = state.stages.last?.layer else { return }
    var parts: [(name: String, floats: StateFloats)] = []
    for vector in student.spec.tensors where !vector.isMatrix {
      if let tensor = student.tensor(vector) { parts.append(("\(vector.name).kept", .held(tensor.values))) }
    }
    for (parameter, moments) in zip(optimizer.parameters, optimizer.moments) {
      parts.append(("\(parameter.name).values", .held(parameter.values)))
      parts.append(("\(parameter.name).first", .held(moments.first)))
      parts.append(("\(parameter.name).second", .held(moments.second)))
    }
    try file.save(state, number: layer, parts)
  }

  /// Puts the newest state in the place of the present one.
  ///
  /// - Parameter retire: takes a layer that is quantized out of the optimizer.
  /// - Returns: nil when nothing was kept.
  /// - Throws: `badInput` for a file that is not what `save` wrote.
  func load(into student: TrainedModel, _ optimizer: AdamW, retire: (Int) -> Void) throws(LMToolError) -> State? {
    guard let (kept, numbers) = try file.load() else { return nil }
    var state = kept
    guard let layer = state.stages.last?.layer, layer == file.newest, layer < student.spec.layers.count else {
      throw numbers.damaged("has no such layer")
    }
    for vector in student.spec.tensors where !vector.isMatrix {
      if let tensor = student.tensor(vector) { try numbers.update(tensor.values, "\(vector.name).kept") }
    }
    for quantized in 0..<layer { retire(quantized) }
    for (parameter, moments) in zip(optimizer.parameters, optimizer.moments) {
      try numbers.update(parameter.values, "\(parameter.name).values")
      try numbers.update(moments.first, "\(parameter.name).first")
      try numbers.update(moments.second, "\(parameter.name).second")
    }
    optimizer.resume(after: state.steps)
    state.secondsBefore = state.seconds
    return state
  }
}
