import Checkpoints
import OrderedCollections
import Tensors
import Training

/// Files that keep where a training was: numbers in f32 by name, and all else as JSON, in one safetensors file of a work folder. Each has a
/// number; the highest is the newest, and the others are removed.
struct StateFile<State: Codable> {
  private let folder: JobFolder
  private let prefix: String
  private static var stateKey: String { "state" }
  private static var suffix: String { ".safetensors" }

  /// The files of `folder` whose names are `prefix`, a number and ".safetensors".
  init(_ folder: JobFolder, prefix: String) {
    self.folder = folder
    self.prefix = prefix
  }

  private func path(_ number: Int) -> String { "\(folder.path)/\(prefix)\(number)\(Self.suffix)" }

  /// The number of the newest; nil without any.
  var newest: Int? {
    folder.names.compactMap { name -> Int? in
      guard name.hasPrefix(prefix), name.hasSuffix(Self.suffix) else { return nil }
      return Int(name.dropFirst(prefix.count).dropLast(Self.suffix.count))
    }.max()
  }

  /// Keeps a state and its numbers, and removes what was kept before; nothing is done where the newest has this number already.
  func save(
    _ state: State, number: Int, _ parts: [(name: String, floats: StateFloats)]
  ) throws(LMToolError) {
    let before = newest
    guard before != number else { return }
    let json = String(decoding: try encodeJSON(state), as: UTF8.self)
    let writer = try SafetensorsWriter(
      path: path(number), entries: parts.map { SafetensorsEntry(name: $0.name, dtype: .f32, shape: [$0.floats.count]) },
      metadata: [Self.stateKey: json])
    for part in parts {
      try part.floats.withBuffer { (floats) throws(LMToolError) in try writer.write(floats: floats) }
    }
    try writer.finish()
    if let before { removeTree(path(before)) }
  }

  /// The newest state, and a reader of its numbers; nil when nothing was kept.
  ///
  /// - Throws: `badInput` for a file that is not what `save` wrote.
  func load() throws(LMToolError) -> (state: State, numbers: StateNumbers)? {
    guard let newest else { return nil }
    let numbers = StateNumbers(file: try SafetensorsFile(path: path(newest)))
    guard let text = numbers.file.metadata[Self.stateKey] else { throw numbers.damaged("has no state") }
    let state = try Array(text.utf8).withUnsafeBytesTyped { (bytes) throws(LMToolError) in
      try decodeJSON(State.self, bytes: bytes)
    }
    return (state, numbers)
  }
}

/// Numbers on their way into a `StateFile`, which are not copied.
enum StateFloats {
  case held(Floats)
  case array([Float])

  var count: Int {
    switch self {
    case .held(let floats): floats.count
    case .array(let floats): floats.count
    }
  }

  func withBuffer(_ body: (UnsafeBufferPointer<Float>) throws(LMToolError) -> Void) throws(LMToolError) {
    switch self {
    case .held(let floats): try body(UnsafeBufferPointer(start: floats.pointer, count: floats.count))
    case .array(let floats):
      var failure: LMToolError?
      floats.withUnsafeBufferPointer { floats in
        do throws(LMToolError) { try body(floats) } catch { failure = error }
      }
      if let failure { throw failure }
    }
  }
}

/// The numbers that a `StateFile` keeps.
struct StateNumbers {
  fileprivate let file: SafetensorsFile

  /// So many numbers of a name.
  ///
  /// - Throws: `badInput` where there are none, or not as many.
  func read(_ name: String, count: Int) throws(LMToolError) -> [Float] {
    guard let tensor = file.tensors[name], tensor.shape == [count] else { throw damaged("lacks \(name)") }
    return try tensor.readAll()
  }

  /// Puts the numbers of a name in the place of others.
  func update(_ floats: Floats, _ name: String) throws(LMToolError) {
    floats.update(from: try read(name, count: floats.count))
  }

  /// What is said of a file that is not what was written.
  func damaged(_ what: String) -> LMToolError {
    LMToolError(.badInput, "the checkpoint \(what); remove the work folder to begin anew", file: file.file.path)
  }
}
