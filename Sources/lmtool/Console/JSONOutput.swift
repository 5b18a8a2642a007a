import Tensors

/// A report for machines: the members of `report`, and "schema", which changes when a member changes its meaning or goes.
package struct VersionedReport<Report: Encodable>: Encodable {
  private let schema: Int
  private let report: Report

  /// A report whose members are of the version `schema`.
  package init(_ report: Report, schema: Int) {
    self.schema = schema
    self.report = report
  }

  private enum Key: CodingKey { case schema }

  /// Encodes the report, then the number beside its members.
  package func encode(to encoder: any Encoder) throws {
    try report.encode(to: encoder)
    var members = encoder.container(keyedBy: Key.self)
    try members.encode(schema, forKey: .schema)
  }
}

extension Console {
  /// Prints a report, which must encode as an object, as JSON with sorted keys.
  package func print(json report: some Encodable, schema: Int = 1) throws(LMToolError) {
    let bytes = try encodeJSON(VersionedReport(report, schema: schema), pretty: true, snakeCase: true)
    print(String(decoding: bytes, as: UTF8.self))
  }
}
