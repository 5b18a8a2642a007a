import Tensors
import Tokenizers

extension ModelSource {
  /// The chat template of the model: its own, else the built-in one that its tokens tell for sure; nil where there is neither.
  ///
  /// - Throws: `badInput` when its own template breaks a rule of `formats/templates.md`.
  public func makeChatTemplate() throws(LMToolError) -> ChatTemplate? {
    if let jinja = chatTemplate {
      do throws(LMToolError) {
        return try ChatTemplate(jinja: jinja, tokenizer: tokenizer)
      } catch { throw error.within(file: path) }
    }
    guard let tokenizer else { return nil }
    return try ChatTemplate.recognized(by: tokenizer)
  }
}
