import Checkpoints
import Models
import Tensors
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A folder of its own for the files of one test, removed with this object.
final class TestFolder {
  let path: String

  init() throws {
    var template = Array("/tmp/lmtool-models-XXXXXX".utf8CString)
    path = try #require(mkdtemp(&template).map { String(cString: $0) })
  }

  deinit {
    if let folder = opendir(path) {
      while let entry = readdir(folder) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        unlink(path + "/" + name)
      }
      closedir(folder)
    }
    rmdir(path)
  }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    let file = try OutputFile(path: path + "/" + name)
    try file.write(bytes)
    try file.commit()
  }
}

/// Where the committed models are.
func fixture(_ name: String) -> String {
  let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
  return parts.dropLast(3).joined(separator: "/") + "/fixtures/" + name
}

/// The smallest LLaMA: one layer, two heads of four, one key-value head, an untied head.
let tinyConfig: [String: JSONValue] = [
  "model_type": .string("llama"), "vocab_size": .int(5), "hidden_size": .int(8), "intermediate_size": .int(12),
  "num_hidden_layers": .int(1), "num_attention_heads": .int(2), "num_key_value_heads": .int(1),
]

/// The tiny configuration with some keys changed or, with nil, taken away.
func tiny(_ changes: [String: JSONValue?] = [:]) -> JSONValue {
  var members = tinyConfig
  for (key, value) in changes { members[key] = value }
  return .object(members)
}

func spec(_ changes: [String: JSONValue?] = [:]) throws -> ModelSpec {
  try Architectures.spec(of: Configuration(tiny(changes), file: "config.json"))
}

/// A model directory with the tensors that `spec` names, changed by `edit`; element i of every tensor is i.
func writeModel(
  to folder: TestFolder, config: JSONValue = tiny(), edit: (inout [SafetensorsEntry]) -> Void = { _ in }
) throws {
  let spec = try Architectures.spec(of: Configuration(config))
  var entries = spec.tensors.map { SafetensorsEntry(name: $0.name, dtype: .f32, shape: $0.shape) }
  edit(&entries)
  let writer = try SafetensorsWriter(path: folder.path + "/model.safetensors", entries: entries)
  for entry in entries {
    let floats = (0..<(elementCount(entry.shape) ?? 0)).map(Float.init)
    try floats.withUnsafeBufferPointer { try writer.write(floats: $0) }
  }
  try writer.finish()
  try folder.write("config.json", try encodeJSON(config))
}

/// Expects that `body` fails with `code`, and returns the error.
@discardableResult
func expectFailure(
  _ code: LMToolError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) -> LMToolError? {
  let error = #expect(throws: LMToolError.self, sourceLocation: sourceLocation, performing: body)
  #expect(error?.code == code, "\(error.map(String.init(describing:)) ?? "no error")", sourceLocation: sourceLocation)
  return error
}
