import OrderedCollections
import Tensors

/// A model in several files, as `llama-gguf-split` of llama.cpp cuts it: NAME-00001-of-00003.gguf and so on, each with its number and how
/// many there are; the first has the metadata (GGUF-13).
struct GGUFSplit {
  /// How many files there are.
  let count: Int
  /// The number of the file that was opened, from 0.
  let number: Int
  private let prefix: String

  /// Files at most: their numbers have five digits.
  private static let most = 99_999

  /// How a file is split; nil when it is not.
  ///
  /// - Throws: `badInput` (GGUF-13).
  init?(_ file: GGUFFile) throws(LMToolError) {
    guard let count = file.metadata["split.count"]?.int, count > 1 else { return nil }
    guard let number = file.metadata["split.no"]?.int, (0..<count).contains(number), count <= Self.most else {
      throw LMToolError(
        .badInput, "it is one of \(count) files, but split.no does not say which", file: file.file.path, at: .key("split.no"),
        rule: "GGUF-13")
    }
    let suffix = Self.suffix(number, of: count)
    guard file.file.path.hasSuffix(suffix) else {
      throw LMToolError(
        .badInput,
        "it is number \(number + 1) of \(count) files, but is not called ...\(suffix); the others cannot be found by its name",
        file: file.file.path, at: .key("split.count"), rule: "GGUF-13")
    }
    self.count = count
    self.number = number
    prefix = String(file.file.path.dropLast(suffix.count))
  }

  private static func suffix(_ number: Int, of count: Int) -> String { "-\(digits(number + 1))-of-\(digits(count)).gguf" }

  private static func digits(_ number: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, 5 - text.count)) + text
  }

  /// Where a part is.
  func path(_ number: Int) -> String { prefix + Self.suffix(number, of: count) }

  /// Refuses a part that says otherwise.
  func check(_ part: GGUFFile, number: Int) throws(LMToolError) {
    guard part.metadata["split.count"]?.int == count, part.metadata["split.no"]?.int == number else {
      throw LMToolError(
        .badInput, "by its name it is number \(number + 1) of \(count) files, but its metadata say otherwise",
        file: part.file.path,
        at: .key("split.no"), rule: "GGUF-13")
    }
  }

  /// Refuses a model that has not as many tensors as it says.
  func checkCount(of file: GGUFFile) throws(LMToolError) {
    guard let expected = file.metadata["split.tensors.count"]?.int, expected != file.tensors.count else { return }
    throw LMToolError(
      .badInput, "the model should have \(expected) tensors, but its \(count) files have \(file.tensors.count)",
      file: file.file.path,
      at: .key("split.tensors.count"), rule: "GGUF-13")
  }
}
