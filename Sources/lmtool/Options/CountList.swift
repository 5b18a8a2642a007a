import ArgumentParser

/// Whole numbers separated by commas, as llama-bench takes them: "128,512".
package struct CountList: Sendable, Equatable {
  /// The numbers in the order given, each once.
  package let values: [Int]

  /// A list of these numbers.
  package init(_ values: Int...) { self.values = values }

  /// Throws unless every number is in `bounds`.
  func validate(_ option: String, in bounds: ClosedRange<Int>) throws {
    guard let bad = values.first(where: { !bounds.contains($0) }) else { return }
    throw ValidationError("\(option) must be from \(bounds.lowerBound) to \(bounds.upperBound), not \(bad)")
  }
}

extension CountList: ExpressibleByArgument {
  /// The list that an option names, or nil; option parsing then shows the option's help.
  package init?(argument: String) {
    var values: [Int] = []
    for word in argument.split(separator: ",", omittingEmptySubsequences: false) {
      guard let value = Int(word) else { return nil }
      if !values.contains(value) { values.append(value) }
    }
    self.values = values
  }

  /// "128,512".
  package var defaultValueDescription: String { values.map(String.init).joined(separator: ",") }
}
