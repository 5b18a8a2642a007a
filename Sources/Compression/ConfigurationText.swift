import Tensors

/// The text of a `config.json`.
enum ConfigurationText {
  /// Keys whose values `transformers` refuses without a decimal point; JSON alone does not tell 30.0 from 30.
  private static let floats = [
    "attn_logit_softcapping", "final_logit_softcapping", "initializer_range", "init_std", "layer_norm_eps", "layer_norm_epsilon",
    "logit_scale", "rms_norm_eps",
  ]

  /// A configuration, a member to the line.
  static func encode(_ config: JSONValue) throws(LMToolError) -> [UInt8] {
    let text = String(decoding: try encodeJSON(config, pretty: true), as: UTF8.self)
    return Array(text.split(separator: "\n", omittingEmptySubsequences: false).map(pointed).joined(separator: "\n").utf8)
  }

  /// A line with ".0" behind its number, if that is whole and its key asks for it.
  private static func pointed(_ line: Substring) -> String {
    let words = line.split(separator: " ")
    guard words.count == 3, words[1] == ":", floats.contains(where: { words[0] == "\"\($0)\"" }) else { return String(line) }
    let digits = words[2].prefix { $0.isASCII && $0.isNumber }, rest = words[2].dropFirst(digits.count)
    guard !digits.isEmpty, rest.isEmpty || rest == "," else { return String(line) }
    return line.dropLast(words[2].count) + digits + ".0" + rest
  }
}
