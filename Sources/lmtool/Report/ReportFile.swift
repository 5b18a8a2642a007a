import Tensors

/// A file for a report: a page for people, or JSON for other programs, by the end of its name.
package struct ReportFile: Sendable, Equatable {
  /// The forms of a report.
  package enum Form: Sendable { case html, json }

  /// Where.
  package let path: String
  /// Which form.
  package let form: Form

  /// The file that an option names.
  ///
  /// - Throws: `usage` when its name ends with neither .html nor .json.
  package init(parsing path: String) throws(LMToolError) {
    self.path = path
    let name = path.lowercased()
    switch true {
    case name.hasSuffix(".html"): form = .html
    case name.hasSuffix(".json"): form = .json
    default:
      throw LMToolError(.usage, "a report is a page or JSON, by its name; end it with .html or .json", file: path.printable)
    }
  }

  /// Writes the report, whole or not at all.
  ///
  /// - Throws: `cannotCreate`, `inputOutput`.
  package func write(_ report: some Encodable, page: HTML, schema: Int = 1) throws(LMToolError) {
    let file = try OutputFile(path: path)
    switch form {
    case .html: try file.write(Array(page.markup.utf8))
    case .json:
      try file.write(
        try encodeJSON(VersionedReport(report, schema: schema), pretty: true, snakeCase: true) + [UInt8(ascii: "\n")])
    }
    try file.commit()
  }
}
