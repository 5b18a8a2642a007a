/// Where the committed models and texts are.
enum Fixtures {
  static let root: String = {
    let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    return parts.dropLast(3).joined(separator: "/") + "/fixtures"
  }()

  static func path(_ name: String) -> String { root + "/" + name }
}
