/// Where the committed models, tokenizers and texts are: `fixtures/README.md`.
public enum Fixtures {
  private static let root: String = {
    let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    return parts.dropLast(3).joined(separator: "/") + "/fixtures/"
  }()

  /// The absolute path of a file or folder of `fixtures`.
  public static func path(_ name: String) -> String { root + name }
}

/// The cases of `fixtures/families`: tiny models of every family, some as older or other programs write them.
public let familyCases = [
  "gpt2", "gpt2_old", "gpt_neo", "gptj", "gpt_neox", "gpt_neox_old", "llama_yarn", "ministral", "ministral3", "phi",
  "phi_mixformer", "phi3", "phi3_long", "phi3_growing", "gemma", "gemma2", "gemma3", "gemma3_old", "qwen2", "qwen3", "cohere",
  "opt", "opt_narrow", "stablelm", "stablelm_serial", "olmo2", "smollm3", "granite",
]

/// The path of the small model that tells stories, in the Hugging Face layout.
public let stories = Fixtures.path("stories260K")
