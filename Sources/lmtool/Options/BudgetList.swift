import Tensors

/// Sizes separated by commas: "80MB,60MB,50MB".
package struct BudgetList: Sendable, Equatable {
  /// The budgets in bytes, in the order given.
  package let bytes: [Int]

  /// The list that an option names; spaces after commas do not count.
  ///
  /// - Throws: `usage` when a size is none, or is named twice in whatever unit.
  package init(parsing text: String) throws(LMToolError) {
    var bytes: [Int] = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      let size = try ByteSize(parsing: String(word.drop { $0 == " " }))
      guard !bytes.contains(size.bytes) else {
        throw LMToolError(.usage, "the budget of \(size.bytes) bytes is named twice")
      }
      bytes.append(size.bytes)
    }
    self.bytes = bytes
  }
}
