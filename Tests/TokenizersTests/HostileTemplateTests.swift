import Tensors
import Testing
import Tokenizers

/// Templates that want too much: each is refused, quickly, with its rule and its line.
@Suite struct HostileTemplateTests {
  private func failure(_ jinja: String) -> LMToolError? {
    TokenizersTests.failure {
      let messages = [ChatMessage(role: .user, content: "A")]
      _ = try ChatTemplate(jinja: jinja).prompt(messages: messages, addGenerationPrompt: true)
    }
  }

  /// TPL-1.
  @Test(
    arguments: [
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
      "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
      "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
      "{% set ns = namespace(x=[]) %}{% for i in range(999) %}{% set ns.x = [ns.x] %}{% endfor %}",
      "{% set ns = namespace(x={}) %}{% for i in range(999) %}{% set ns.x = {'a': ns.x} %}{% endfor %}",
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% macro m() %}{% call m() %}{{ m() }}{% endcall %}{% endmacro %}{{ m() }}",
      "{{ 'a' * 99999999999 }}", "{{ [1] * 99999999999 }}", "{{ 'a'.center(999999999) }}", "{{ '%999999999d' % 1 }}",
      "{{ '{:999999999}'.format(1) }}", "{{ 'a' | center(999999999) }}", "{{ 'a\\nb' | indent(999999999) }}",
      "{{ [1] | tojson(indent=999999999) }}",
      "{{ ('a' * 9999999).replace('a', 'b' * 9999) }}", "{{ ('a' * 9999999).replace('', 'bb') }}",
      "{{ 9223372036854775807 + 1 }}",
      "{{ 9 ** 99 }}", "{{ -9223372036854775807 - 2 }}", "{{ (-9223372036854775807 - 1) // -1 }}", "{{ range(99999999999999) }}",
      "{{ ('a' * 9999) | list | join('b' * 99999) }}", "{% for i in range(99999) %}{{ 'a' * 99999 }}{% endfor %}",
    ])
  func whatGrowsWithoutBoundIsStopped(jinja: String) {
    let error = failure(jinja)
    #expect(error?.rule == "TPL-1", "\(jinja): \(String(describing: error))")
    #expect(error?.message.contains("line 1") == true)
  }

  /// TPL-1, while parsing.
  @Test func whatIsNestedTooDeepIsRefused() {
    for (open, close) in [
      ("(", ")"), ("[", "]"), ("not ", ""), ("-", ""), ("{'a':", "}"), ("a if a else ", ""), ("f(", ")"), ("a[", "]"),
    ] {
      let jinja = "{{ " + String(repeating: open, count: 5000) + "1" + String(repeating: close, count: 5000) + " }}"
      #expect(failure(jinja)?.rule == "TPL-1", "\(open)")
    }
    for chain in [".a", "[0]", "()", "|trim", "+1", "~1 and 1", " if 1", " is defined"] {
      #expect(failure("{{ a" + String(repeating: chain, count: 5000) + " }}")?.code == .badInput, "\(chain)")
    }
    #expect(failure(String(repeating: "{% if 1 %}", count: 5000))?.rule == "TPL-1")
    #expect(failure(String(repeating: "{% for a in b %}", count: 5000))?.rule == "TPL-1")
    #expect(failure(String(repeating: " ", count: 1 << 20) + "a")?.rule == "TPL-1")
  }

  /// TPL-2.
  @Test(
    arguments: [
      "{", "{{", "{%", "{#", "{{ '", "{{ \"\\", "{{ 1", "{% raw %}", "{% set %}", "{% set a", "{% for %}", "{% macro %}",
      "{% if 1 %}{% else %}{% else %}",
      "{{ '\\u12' }}", "{{ '\\N{DASH}' }}", "{{ ! }}", "{{ 99999999999999999999 }}", "{% endif %}",
      "{% for a in b recursive %}{% endfor %}", "{{ a.}}",
      "{{ a[ }}", "{{ a[] }}", "{{ a[1:2:3:4] }}", "{{ a| }}", "{{ f(a=1, 2) }}", "{% set a.b.c = 1 %}", "{% set true = 1 %}",
      "{% macro m(a=1, b) %}{% endmacro %}",
    ])
  func brokenSyntaxIsRefused(jinja: String) {
    guard jinja != "{" else { return #expect(failure(jinja) == nil) }
    #expect(failure(jinja)?.rule == "TPL-2", "\(jinja): \(String(describing: failure(jinja)))")
  }

  /// TPL-4.
  @Test(
    arguments: [
      "{{ ''.__class__.__mro__ }}", "{{ messages.append(1) }}", "{{ messages[0].update({}) }}",
      "{{ '{0.__class__}'.format('') }}",
      "{% set ns = namespace() %}{% set ns.a = ns %}", "{% set ns = namespace() %}{% set a = [ns] %}",
      "{% macro m() %}{% endmacro %}{% set a = {'m': m} %}", "{% set messages.a = 1 %}", "{% set ns = namespace(__class__=1) %}",
    ])
  func theSandboxHolds(jinja: String) {
    #expect(["TPL-3", "TPL-4"].contains(failure(jinja)?.rule), "\(jinja): \(String(describing: failure(jinja)))")
  }

  @Test func errorsNameLineAndRule() {
    let error = failure("a\n{% if 1 %}\n\n{{ messages[0].nothing.there }}\n{% endif %}")
    #expect(error?.rule == "TPL-3" && error?.message.contains("line 4") == true)
    let refusal = failure("\n{{ raise_exception('roles must alternate') }}")
    #expect(refusal?.rule == "TPL-6" && refusal?.message.contains("line 2: roles must alternate") == true)
  }
}
