import Tensors
import Training

/// Where training was when it was last looked at: everything that the rest of it depends on, in one safetensors file of a work folder.
struct TrainingCheckpoint {
  /// What is not numbers of parameters.
  struct State: Codable, Equatable {
    /// Tokens so far.
    var tokens: Int
    /// Epochs that were begun.
    var epoch: UInt64
    /// Windows of the epoch that are still to come.
    var order: [Int]
    /// Steps so far.
    var steps: Int
    /// Seconds so far.
    var seconds: Double
    /// Looks since the best one.
    var looksSinceBest: Int
    /// Every look.
    var looks: [Distilling.Look]
    /// The step of the best look.
    var best: Int
  }

  private let file: StateFile<State>

  /// The checkpoints of a job.
  init(_ folder: JobFolder) { file = StateFile(folder, prefix: "step-") }

  /// Keeps the state, and removes what was kept before.
  ///
  /// - Parameter best: the values of all parameters at the best look.
  func save(
    _ state: State, _ parameters: [Parameter], _ moments: [(first: Floats, second: Floats)], best: [[Float]]
  ) throws(LMToolError) {
    var parts: [(name: String, floats: StateFloats)] = []
    for (index, parameter) in parameters.enumerated() {
      parts.append(("\(parameter.name).values", .held(parameter.values)))
      parts.append(("\(parameter.name).first", .held(moments[index].first)))
      parts.append(("\(parameter.name).second", .held(moments[index].second)))
      parts.append(("\(parameter.name).best", .array(best[index])))
    }
    try file.save(state, number: state.steps, parts)
  }

  /// Puts the newest state in the place of the present one.
  ///
  /// - Returns: the state, and the values of all parameters at the best look; nil when nothing was kept.
  /// - Throws: `badInput` for a file that is not what `save` wrote.
  func load(
    into parameters: [Parameter], _ moments: [(first: Floats, second: Floats)]
  ) throws(LMToolError) -> (state: State, best: [[Float]])? {
    guard let (state, numbers) = try file.load() else { return nil }
    var best: [[Float]] = []
    for (index, parameter) in parameters.enumerated() {
      try numbers.update(parameter.values, "\(parameter.name).values")
      try numbers.update(moments[index].first, "\(parameter.name).first")
      try numbers.update(moments[index].second, "\(parameter.name).second")
      best.append(try numbers.read("\(parameter.name).best", count: parameter.values.count))
    }
    return (state, best)
  }
}
