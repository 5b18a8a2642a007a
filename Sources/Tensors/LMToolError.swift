/// What went wrong, where, and what to do about it: the one error type of every room.
///
/// `message` is a full sentence that names the problem and, where there is one, the remedy. `file`, `place` and `rule`
/// say which file, which byte offset or tensor in it, and which numbered rule of `formats/` was broken.
public struct LMToolError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The kind of failure; it decides the exit code of the command.
  public enum Code: String, Sendable {
    /// The options contradict each other or cannot be met.
    case usage
    /// The input is not what it claims to be: broken, hostile, or of a kind that lmtool does not read.
    case badInput
    /// A file or a tensor that is needed is not there.
    case missingInput
    /// The output cannot be created.
    case cannotCreate
    /// Reading or writing failed.
    case inputOutput
    /// lmtool itself is wrong.
    case bug

    /// The process exit status, as in sysexits(3).
    public var exitStatus: Int32 {
      switch self {
      case .usage: 64
      case .badInput: 65
      case .missingInput: 66
      case .bug: 70
      case .cannotCreate: 73
      case .inputOutput: 74
      }
    }
  }

  /// Where in a file.
  public enum Place: Equatable, Sendable, CustomStringConvertible {
    /// A byte offset from the start of the file.
    case offset(Int)
    /// A tensor, by its name in the file.
    case tensor(String)
    /// A key of the file's metadata or JSON.
    case key(String)

    /// "offset 16", "tensor lm_head.weight", "key hidden_size".
    public var description: String {
      switch self {
      case .offset(let offset): "offset \(offset)"
      case .tensor(let name): "tensor \(name.printable)"
      case .key(let name): "key \(name.printable)"
      }
    }
  }

  /// The kind of failure.
  public var code: Code
  /// One sentence: what is wrong and what to do.
  public var message: String
  /// The path of the file, if one is to blame.
  public var file: String?
  /// Where in the file.
  public var place: Place?
  /// The rule of `formats/` that was broken, such as "GGUF-7".
  public var rule: String?

  /// Makes an error; `message` starts with a lower-case letter and has no final full stop.
  public init(
    _ code: Code, _ message: String, file: String? = nil, at place: Place? = nil, rule: String? = nil
  ) {
    self.code = code
    self.message = message
    self.file = file
    self.place = place
    self.rule = rule
  }

  /// The same error, said of `file` if none was named yet.
  public func within(file: String) -> LMToolError {
    var error = self
    error.file = error.file ?? file
    return error
  }

  /// "model.gguf: offset 16: the tensor count ... (rule GGUF-7)".
  public var description: String {
    let parts = [file, place?.description, message].compactMap { $0 }
    return parts.joined(separator: ": ") + (rule.map { " (rule \($0))" } ?? "")
  }
}

extension String {
  /// The text with control characters replaced and cut to 200 characters, safe to print on a terminal.
  public var printable: String {
    func isControl(_ scalar: Unicode.Scalar) -> Bool { scalar.value < 32 || (127..<160).contains(scalar.value) }
    let clean = String(unicodeScalars.prefix(200).map { isControl($0) ? "\u{FFFD}" : Character($0) })
    return unicodeScalars.count > 200 ? clean + "…" : clean
  }
}
