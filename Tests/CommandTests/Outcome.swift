import Tensors
import Testing

/// What a command printed and how it ended.
struct Outcome {
  let output: String
  let error: String
  let status: Int32

  /// Runs `lmtool` to its end.
  init(_ arguments: String...) throws { try self.init(arguments: arguments) }

  /// Runs `lmtool` with these arguments to its end.
  init(arguments: [String]) throws {
    let process = try LMToolProcess(arguments: arguments)
    output = process.readOutput()
    error = process.readError()
    status = process.exitStatus()
  }

  /// The report of a command with `--json`.
  var report: [String: JSONValue] {
    get throws {
      let value = try Array(output.utf8).withUnsafeBytesTyped { (bytes) throws(LMToolError) in
        try decodeJSON(JSONValue.self, bytes: bytes)
      }
      return try #require(value.object)
    }
  }

  /// Whether it failed with this status and one line on standard error that contains every one of `parts`.
  func failed(_ status: Int32, _ parts: String...) -> Bool {
    let isOneLine = error.hasPrefix("lmtool: error: ") && error.split(separator: "\n").count == 1
    return self.status == status && isOneLine && parts.allSatisfy { error.contains($0) } && output.isEmpty
  }
}
