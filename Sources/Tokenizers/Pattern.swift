import CPCRE2
import Tensors

/// A compiled regular expression that finds matches in UTF-8 text.
///
/// Compiled code is read-only and may be used by many threads; each use brings its own `Matcher`.
final class Pattern: Sendable {
  private nonisolated(unsafe) let code: OpaquePointer

  /// Compiles `source`, written in Oniguruma's syntax.
  ///
  /// - Throws: `badInput` (TOK-8) when the pattern is not understood, uses what the engines disagree on, or is too big.
  init(_ source: String) throws(LMToolError) {
    let translated = Array(try translatePattern(source).utf8)
    guard translated.count <= TokenizerDefinition.Limit.patternBytes else {
      throw .tokenizer("a pattern has more than \(TokenizerDefinition.Limit.patternBytes) bytes", rule: 8)
    }
    guard let context = pcre2_compile_context_create_8(nil) else { throw LMToolError(.bug, "out of memory") }
    defer { pcre2_compile_context_free_8(context) }
    pcre2_set_newline_8(context, UInt32(PCRE2_NEWLINE_LF))
    pcre2_set_parens_nest_limit_8(context, 100)
    var failure: Int32 = 0
    var offset = 0
    let options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_UTF_CHECK
    guard let code = pcre2_compile_8(translated, translated.count, options, &failure, &offset, context) else {
      throw .tokenizer("the pattern \"\(source.printable)\" does not compile: \(Self.describe(failure)) at \(offset)", rule: 8)
    }
    // Where the system forbids just-in-time code, the interpreter finds the same matches.
    pcre2_jit_compile_8(code, PCRE2_JIT_COMPLETE)
    self.code = code
  }

  deinit { pcre2_code_free_8(code) }

  private static func describe(_ failure: Int32) -> String {
    var buffer = [UInt8](repeating: 0, count: 200)
    let length = pcre2_get_error_message_8(failure, &buffer, buffer.count)
    return String(decoding: buffer.prefix(max(0, Int(length))), as: UTF8.self)
  }

  /// Finds matches, one after the other, for one thread.
  final class Matcher {
    private let pattern: Pattern
    private let data: OpaquePointer?
    private let context: OpaquePointer?
    private let stack: OpaquePointer?
    /// Whether a match cost more than the limits of TOK-8 allow; from then on nothing matches.
    private(set) var hasGivenUp = false

    init(_ pattern: Pattern) {
      self.pattern = pattern
      data = pcre2_match_data_create_8(1, nil)
      context = pcre2_match_context_create_8(nil)
      stack = pcre2_jit_stack_create_8(32 << 10, 4 << 20, nil)
      pcre2_set_match_limit_8(context, 4_000_000)
      pcre2_set_heap_limit_8(context, 64 << 10)
      pcre2_jit_stack_assign_8(context, nil, UnsafeMutableRawPointer(stack))
    }

    deinit {
      pcre2_match_data_free_8(data)
      pcre2_match_context_free_8(context)
      pcre2_jit_stack_free_8(stack)
    }

    /// The first match in `text`, which must be valid UTF-8, at or after `start`.
    func match(in text: UnsafeRawBufferPointer, from start: Int) -> Range<Int>? {
      guard !hasGivenUp, let data, let base = text.baseAddress else { return nil }
      let subject = base.assumingMemoryBound(to: UInt8.self)
      let count = pcre2_match_8(pattern.code, subject, text.count, start, PCRE2_NO_UTF_CHECK, data, context)
      guard count >= 0, let offsets = pcre2_get_ovector_pointer_8(data) else {
        hasGivenUp = count != PCRE2_ERROR_NOMATCH
        return nil
      }
      let (lower, upper) = (offsets[0], offsets[1])
      return lower >= start && lower <= upper && upper <= text.count ? lower..<upper : nil
    }
  }
}
