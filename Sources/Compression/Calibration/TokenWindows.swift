/// The tokens of a calibration text, cut into windows of one length that are run from position 0 each.
package struct TokenWindows: Sendable, Equatable {
  /// Tokens of a window.
  package let length: Int
  /// Whole windows, one after the other.
  package let tokens: [Int32]

  /// The whole windows of `tokens`; what is left over at the end is dropped.
  package init(_ tokens: [Int32], length: Int) {
    precondition(length > 0, "a window holds at least one token")
    self.length = length
    self.tokens = Array(tokens.prefix(tokens.count / length * length))
  }

  /// How many windows there are.
  package var count: Int { tokens.count / length }

  /// Some of the windows, spread evenly over the text, cut to `shorter` tokens each.
  package func sample(_ wanted: Int, length shorter: Int) -> TokenWindows {
    let taken = min(wanted, count), cut = min(shorter, length)
    let starts = (0..<taken).map { $0 * count / max(1, taken) * length }
    return TokenWindows(starts.flatMap { tokens[$0..<$0 + cut] }, length: cut)
  }
}
