import Tensors

/// Where a command speaks: results to standard output, everything else to standard error.
package struct Console: Sendable {
  /// Whether only results and errors are shown.
  package let isQuiet: Bool
  private let output: StandardStream
  private let error: StandardStream

  /// A console on the streams of the process.
  package init(isQuiet: Bool = false, output: StandardStream = .output, error: StandardStream = .error) {
    self.isQuiet = isQuiet
    self.output = output
    self.error = error
  }

  /// A line of the result; false when nobody reads any more.
  @discardableResult package func print(_ line: String = "") -> Bool { output.write(line + "\n") }

  /// A table of the result.
  package func print(_ table: Table) { output.write(table.text(isColored: output.isColored)) }

  /// A piece of generated text, shown at once; false when nobody reads any more.
  ///
  /// A model may say anything: on a terminal, control characters other than newline and tab are left out.
  package func stream(_ piece: String) -> Bool {
    guard output.isTerminal else { return output.write(piece) }
    let harmless = piece.unicodeScalars.filter { !$0.isControl || $0 == "\n" || $0 == "\t" }
    return output.write(String(String.UnicodeScalarView(harmless)))
  }

  /// A line for the person at the keyboard, such as a rate or a path that was written.
  package func note(_ line: String) {
    if !isQuiet { error.write(Style.dim.apply(to: line.harmless, isColored: error.isColored) + "\n") }
  }

  /// Asks for a line of input, where someone sits at a terminal.
  package func prompt(_ text: String) {
    if error.isTerminal && !isQuiet { error.write(text) }
  }

  /// Something that the person should know, and that is no failure.
  package func warn(_ line: String) {
    if !isQuiet { error.write("lmtool: \(Style.yellow.apply(to: "warning", isColored: error.isColored)): \(line.harmless)\n") }
  }

  /// A word of the result in a style, plain where colours are not welcome.
  package func styled(_ text: String, _ style: Style) -> String { style.apply(to: text, isColored: output.isColored) }

  /// Does work with a progress bar, which is gone when the work ends, however it ends.
  ///
  /// - Parameter work: receives what it should report to; nil when the console is quiet.
  package func withProgress<Result, Failure: Error>(
    _ work: (ProgressConsumer?) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    if isQuiet { return try work(nil) }
    let bar = ProgressBar(error)
    defer { bar.finish() }
    return try work { bar.show($0) }
  }
}

extension Unicode.Scalar {
  /// Whether a terminal may take it for a command.
  var isControl: Bool { properties.generalCategory == .control }
}

extension String {
  /// The text on one line, at most 2000 characters long, with control characters replaced: what comes from files that anyone may
  /// have written must not command the terminal.
  var harmless: String { String(String.UnicodeScalarView(unicodeScalars.prefix(2000).map { $0.isControl ? "\u{FFFD}" : $0 })) }
}
