import Models
import Tensors
import Tokenizers

extension Distilling {
  /// Whether a model is quantized, so that its integers stay as they are.
  public static func canHeal(_ student: ModelSource) -> Bool {
    student.format.hasPrefix("lmz") || Quantizing.isQuantized(student)
  }

  /// Refuses a teacher whose tokens are not the student's.
  ///
  /// - Throws: `usage`.
  public static func checkTokenizers(_ teacher: ModelSource, _ student: ModelSource) throws(LMToolError) {
    var difference: String?
    if teacher.spec.vocabularySize != student.spec.vocabularySize {
      difference = "the teacher has \(teacher.spec.vocabularySize) tokens and the student \(student.spec.vocabularySize)"
    } else if let one = teacher.tokenizer?.vocabulary, let other = student.tokenizer?.vocabulary,
      let id = (0..<min(one.count, other.count)).first(where: { one.text(of: $0) != other.text(of: $0) })
    {
      difference =
        "token \(id) is \"\(one.text(of: id).printable)\" for the teacher and \"\(other.text(of: id).printable)\" for the student"
    }
    guard let difference else { return }
    throw LMToolError(
      .usage,
      "\(difference); a student learns what a teacher of the same vocabulary says of every token. One of another can learn from texts: "
        + "lmtool sample TEACHER --tokens 200000 -o samples.jsonl, and lmtool distill STUDENT --chats samples.jsonl without teacher",
      file: student.path)
  }

  /// Refuses a text whose tokens the student does not have.
  ///
  /// - Throws: `badInput`.
  static func checkTokens(of text: TrainingText, _ source: ModelSource) throws(LMToolError) {
    if let token = text.windows.tokens.first(where: { !(0..<Int32(clamping: source.spec.vocabularySize)).contains($0) }) {
      throw LMToolError(
        .badInput,
        "the text has the token \(token), and the model \(source.spec.vocabularySize) tokens; is the tokenizer that of another model?",
        file: source.path)
    }
  }
}
