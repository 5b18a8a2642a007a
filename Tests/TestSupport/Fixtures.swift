/// Where the committed models, tokenizers and texts are: `fixtures/README.md`.
public enum Fixtures {
  private static let root: String = {
    let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    return parts.dropLast(3).joined(separator: "/") + "/fixtures/"
  }()

  /// The absolute path of a file or folder of `fixtures`.
  public static func path(_ name: String) -> String { root + name }
}

/// The path of the small model that tells stories, in the Hugging Face layout.
public let stories = Fixtures.path("stories260K")
