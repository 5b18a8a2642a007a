import Checkpoints
import Inference
import Models
import OrderedCollections
import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The path of a file or folder of `fixtures`.
func fixture(_ name: String) -> String {
  let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
  return parts.dropLast(3).joined(separator: "/") + "/fixtures/" + name
}

/// The small model of the repository, in the Hugging Face layout.
let stories = fixture("stories260K")

/// A folder of its own for one test, removed with everything in it.
final class Scratch {
  let path: String

  init() {
    var template = Array("/tmp/lmtool-compression-XXXXXX".utf8CString)
    path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
  }

  deinit { Self.remove(path) }

  /// The path of something in the folder.
  func path(_ name: String) -> String { path + "/" + name }

  /// Writes a file and returns its path.
  @discardableResult func write(_ bytes: [UInt8], _ name: String) throws(LMToolError) -> String {
    let file = try OutputFile(path: path(name))
    try file.write(bytes)
    try file.commit()
    return file.path
  }

  /// What is in the folder, sorted.
  var names: [String] { Self.names(path) }

  static func names(_ folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  private static func remove(_ path: String) {
    for name in names(path) { remove(path + "/" + name) }
    if unlink(path) != 0 { rmdir(path) }
  }
}

/// The bytes of a file.
func bytes(_ path: String) throws(LMToolError) -> [UInt8] {
  let file = try MappedFile(path: path)
  return file.withBytes(0..<file.count) { Array($0) }
}

/// Writes a float model like `source` into `folder`, with the values of its tensors changed by `change`.
func writeModel(
  like source: ModelSource, to folder: String, _ change: (String, inout [Float]) -> Void
) throws(LMToolError) {
  let output = try OutputFolder(path: folder)
  let entries = source.tensors.values.map { SafetensorsEntry(name: $0.name, dtype: .f32, shape: $0.shape) }
  let writer = try SafetensorsWriter(path: output.path(of: SafetensorsCheckpoint.fileName), entries: entries)
  for tensor in source.tensors.values {
    var values = try tensor.readAll()
    change(tensor.name, &values)
    try writer.write(floats: values)
  }
  try writer.finish()
  let config = try OutputFile(path: output.path(of: "config.json"))
  try config.write(try encodeJSON(source.config))
  try config.commit()
  try output.commit()
}

extension SafetensorsWriter {
  func write(floats: [Float]) throws(LMToolError) {
    var failure: LMToolError?
    floats.withUnsafeBufferPointer { buffer in
      do throws(LMToolError) { try write(floats: buffer) } catch { failure = error }
    }
    if let failure { throw failure }
  }
}

/// The logits of every position.
func logits(_ source: ModelSource, _ ids: [Int32] = [1, 403, 407, 261, 378]) throws -> [Float] {
  Array(try Session(try Transformer(source), capacity: ids.count).forward(ids, logits: .all))
}

/// The largest difference, relative to the largest magnitude of `expected`.
func difference(_ values: [Float], _ expected: [Float]) -> Float {
  guard values.count == expected.count else { return .infinity }
  let most = expected.map(\.magnitude).max() ?? 1
  return zip(values, expected).reduce(0) { max($0, ($1.0 - $1.1).magnitude) } / most
}

/// All values of all tensors.
func values(_ source: ModelSource) throws(LMToolError) -> OrderedDictionary<String, [Float]> {
  var values: OrderedDictionary<String, [Float]> = [:]
  for tensor in source.tensors.values { values[tensor.name] = try tensor.readAll() }
  return values
}
