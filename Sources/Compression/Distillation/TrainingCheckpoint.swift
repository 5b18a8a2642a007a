import Checkpoints
import OrderedCollections
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

  private let folder: JobFolder
  private static let stateKey = "state"

  /// The checkpoints of a job.
  init(_ folder: JobFolder) { self.folder = folder }

  private func path(_ steps: Int) -> String { "\(folder.path)/step-\(steps).safetensors" }

  /// The steps of the newest checkpoint; nil without any.
  private var newest: Int? {
    let found = folder.names.compactMap { name -> Int? in
      guard name.hasPrefix("step-"), name.hasSuffix(".safetensors") else { return nil }
      return Int(name.dropFirst(5).dropLast(12))
    }
    return found.max()
  }

  /// Keeps the state, and removes what was kept before.
  ///
  /// - Parameter best: the values of all parameters at the best look.
  func save(
    _ state: State, _ parameters: [Parameter], _ moments: [(first: Floats, second: Floats)], best: [[Float]]
  ) throws(LMToolError) {
    let before = newest
    guard before != state.steps else { return }
    let entries = parameters.flatMap { parameter in
      Self.kinds.map { SafetensorsEntry(name: "\(parameter.name).\($0)", dtype: .f32, shape: [parameter.values.count]) }
    }
    let json = String(decoding: try encodeJSON(state), as: UTF8.self)
    let writer = try SafetensorsWriter(path: path(state.steps), entries: entries, metadata: [Self.stateKey: json])
    for (index, parameter) in parameters.enumerated() {
      for floats in [parameter.values.array, moments[index].first.array, moments[index].second.array, best[index]] {
        var failure: LMToolError?
        floats.withUnsafeBufferPointer { floats in
          do throws(LMToolError) { try writer.write(floats: floats) } catch { failure = error }
        }
        if let failure { throw failure }
      }
    }
    try writer.finish()
    if let before { removeTree(path(before)) }
  }

  private static let kinds = ["values", "first", "second", "best"]

  /// Puts the newest state in the place of the present one.
  ///
  /// - Returns: the state, and the values of all parameters at the best look; nil when nothing was kept.
  /// - Throws: `badInput` for a file that is not what `save` wrote.
  func load(
    into parameters: [Parameter], _ moments: [(first: Floats, second: Floats)]
  ) throws(LMToolError) -> (state: State, best: [[Float]])? {
    guard let steps = newest else { return nil }
    let file = try SafetensorsFile(path: path(steps))
    func damaged(_ what: String) -> LMToolError {
      LMToolError(.badInput, "the checkpoint \(what); remove the work folder to begin anew", file: file.file.path)
    }
    guard let text = file.metadata[Self.stateKey] else { throw damaged("has no state") }
    let state = try Array(text.utf8).withUnsafeBytesTyped { (bytes) throws(LMToolError) in
      try decodeJSON(State.self, bytes: bytes)
    }
    var best: [[Float]] = []
    for (index, parameter) in parameters.enumerated() {
      var parts: [[Float]] = []
      for kind in Self.kinds {
        guard let tensor = file.tensors["\(parameter.name).\(kind)"], tensor.shape == [parameter.values.count] else {
          throw damaged("lacks \(parameter.name)")
        }
        parts.append(try tensor.readAll())
      }
      parameter.values.update(from: parts[0])
      moments[index].first.update(from: parts[1])
      moments[index].second.update(from: parts[2])
      best.append(parts[3])
    }
    return (state, best)
  }
}
