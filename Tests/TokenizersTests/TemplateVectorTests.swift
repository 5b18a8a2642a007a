import FoundationEssentials
import Tensors
import TestSupport
import Testing
import Tokenizers

/// Templates of many families and small ones of every feature, against Python's Jinja2 as transformers configures it.
///
/// `LMTOOL_TEMPLATES` may name another file that `fixtures/templates/make_expected.py` wrote.
@Suite struct TemplateVectorTests {
  private struct Vectors: Decodable {
    var templates: [String: String]
    var conversations: [String: String]
    var outputs: [String: [String: String?]]
    var variables: String?
    var snippets: [[String?]]?
  }

  private static func vectors() throws -> Vectors {
    let other = ProcessInfo.processInfo.environment["LMTOOL_TEMPLATES"]
    return try decodeJSON(Vectors.self, file: MappedFile(path: other ?? Fixtures.path("templates/expected.json")))
  }

  /// The text, nil where the template or the conversation is refused.
  private func render(_ jinja: String, _ json: String) -> (text: String?, problem: String) {
    do {
      let pieces = try ChatTemplate(jinja: jinja).render(json: Array(json.utf8), addGenerationPrompt: false)
      return (pieces.map(\.text).joined(), "")
    } catch { return (nil, "\(error)") }
  }

  @Test func familiesTemplatesAgreeWithJinja2() throws {
    let vectors = try Self.vectors()
    var compared = 0
    for (name, template) in vectors.templates.sorted(by: { $0.key < $1.key }) {
      for (key, json) in vectors.conversations.sorted(by: { $0.key < $1.key }) {
        let expected = try #require(vectors.outputs[name]?[key])
        let actual = render(template, json)
        // Unicode scalars, for strings that look alike are equal to Swift.
        #expect(
          actual.text.map { Array($0.unicodeScalars) } == expected.map { Array($0.unicodeScalars) }, "\(name), \(key): \(actual)")
        compared += 1
      }
    }
    #expect(compared > 100)
  }

  @Test func featuresAgreeWithJinja2() throws {
    let vectors = try Self.vectors()
    let variables = try #require(vectors.variables)
    for snippet in try #require(vectors.snippets) {
      let source = try #require(snippet[0])
      let actual = render(source, variables)
      #expect(actual.text.map { Array($0.unicodeScalars) } == snippet[1].map { Array($0.unicodeScalars) }, "\(source): \(actual)")
    }
  }
}
