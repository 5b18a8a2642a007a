import Compression
import Tensors
import TestSupport
import Testing
import lmtool

/// Pages: whole, escaped, and with the figures of the report.
struct PageTests {
  private let scratch = TestFolder()
  private static let hostile = "<script>alert('&\"')</script>\u{1B}[31m\u{FFFE}"

  private func decoded<Report: Decodable>(_ type: Report.Type, _ value: JSONValue) throws -> Report {
    try encodeJSON(value).withUnsafeBytesTyped { (bytes) throws(LMToolError) in try decodeJSON(type, bytes: bytes) }
  }

  private func quality(_ text: String, kl: Double, ratio: Double = 1.5) -> JSONValue {
    .object([
      "text": .string(text), "tokens": .int(4000), "bitsPerByteBefore": .double(0.9), "bitsPerByteAfter": .double(1.1),
      "perplexityBefore": .double(10), "perplexityAfter": .double(10 * ratio), "divergence": .double(kl),
      "divergence99": .double(3 * kl), "topAgreement": .double(0.8125),
    ])
  }

  private func tensor(_ name: String, bits: Double, sensitivity: Double) -> JSONValue {
    .object([
      "name": .string(name), "part": .string("mlp"), "parameters": .int(1000), "bits": .double(bits),
      "sensitivity": .double(sensitivity), "step": .double(0.01), "largest": .int(9),
    ])
  }

  /// A report whose every name is `name`, but for two tensors of layers.
  private func report(_ name: String) throws -> RateReport {
    let part: JSONValue = .object(["name": .string(name), "parameters": .int(1000), "bytes": .int(700_000)])
    return try decoded(
      RateReport.self,
      .object([
        "model": .string("/models/" + name), "budget": .int(1_000_000), "bytes": .int(900_000), "originalBytes": .int(9_000_000),
        "parameters": .int(3_600_000), "vocabularyBefore": .int(500), "vocabularyAfter": .int(400),
        "vocabularyReason": .string(name),
        "calibrationTokens": .int(4096), "level": .double(0.001), "parts": .array([part]),
        "quality": .array([quality(name, kl: 0.123)]),
        "tensors": .array([
          tensor(name, bits: 2.5, sensitivity: 1e-3), tensor("model.layers.0.mlp.up_proj.weight", bits: 1.25, sensitivity: 1e-6),
          tensor("model.layers.1.mlp.up_proj.weight", bits: 3.75, sensitivity: 0),
        ]), "seconds": .object([name: .double(1.5), "packing": .double(2)]),
      ]))
  }

  @Test func theReportOfACompressionIsWholeAndSaysItsFigures() throws {
    let page = CompressionPage(try report("usual.weight")).html.markup, markup = Markup(page)
    #expect(markup.problem == nil)
    #expect(markup.elements.contains("svg") && markup.elements.contains("details"))
    for figure in [
      "900.0 kB", "900000 of 1000000 bytes, 90.00 %", "2.00", "10.0 times", "0.123", "x 1.500", "81.2 %", "400 of 500 tokens",
    ] {
      #expect(page.contains(figure), "\(figure)")
    }
    #expect(page.contains("1.25</td>") && page.contains("3.75</td>") && page.contains("1.00e-6</td>"))
  }

  @Test func namesFromFilesBecomeNoMarkup() throws {
    let page = CompressionPage(try report(Self.hostile)).html.markup
    let plain = CompressionPage(try report("plain")).html.markup
    #expect(Markup(page).problem == nil)
    #expect(Markup(page).elements == Markup(plain).elements)
    #expect(page.contains("&lt;script&gt;alert(&#39;&amp;&quot;&#39;)"))
    #expect(!page.unicodeScalars.contains { $0 == "\u{1B}" || $0 == "\u{FFFE}" })
  }

  @Test func pagesFetchAndRunNothing() throws {
    let page = CompressionPage(try report("plain")).html.markup
    for word in ["<script", "http://", "https://", "src=", "url(", "@import", "onload"] {
      #expect(!page.contains(word), "\(word)")
    }
    #expect(page.contains("default-src 'none'") && page.contains("prefers-color-scheme: dark") && page.contains("@media print"))
  }

  @Test func anEmptyReportIsAPageToo() throws {
    var empty = try report("plain")
    (empty.quality, empty.tensors, empty.parts, empty.seconds, empty.budget, empty.model) = ([], [], [], [:], nil, nil)
    #expect(Markup(CompressionPage(empty).html.markup).problem == nil)
  }

  /// A sweep with two texts and a file of every kind; one of them is the original itself.
  private func sweep(_ name: String) throws -> SweepReport {
    func point(_ kind: String, _ bytes: Int, kl: Double, budget: Int? = nil) -> JSONValue {
      .object([
        "kind": .string(kind), "label": .string(name), "budget": budget.map { .int($0) } ?? .null, "bytes": .int(bytes),
        "bitsPerWeight": .double(2), "quality": .array([quality(name, kl: kl), quality("other", kl: 2 * kl, ratio: 900)]),
      ])
    }
    return try decoded(
      SweepReport.self,
      .object([
        "model": .string(name), "originalBytes": .int(9_000_000), "parameters": .int(3_600_000),
        "texts": .array([.string(name), .string("other")]), "window": .int(512),
        "points": .array([
          point("gguf", 1_200_000, kl: 0.2), point("grid", 2_000_000, kl: 0),
          point("budget", 900_000, kl: 0.12, budget: 1_000_000),
          point("budget", 450_000, kl: 0.6, budget: 500_000),
        ]), "misses": .array([.object(["label": .string("100 bytes"), "reason": .string(name)])]),
      ]))
  }

  @Test func theCurveIsWholeAndEscaped() throws {
    let page = SweepPage(try sweep(Self.hostile)).html.markup, plain = SweepPage(try sweep("plain")).html.markup
    #expect(Markup(page).problem == nil && Markup(plain).problem == nil)
    let asLong = SweepPage(try sweep(String(repeating: "x", count: Self.hostile.count))).html.markup
    #expect(Markup(page).elements == Markup(asLong).elements, "labels have room by their length, not by what they say")
    #expect(Markup(plain).elements.filter { $0 == "svg" }.count == 6, "three charts for each text")
    for word in ["lmtool compress", "int8 and int4 grids", "GGUF", "1.0 MB", "500.0 kB", "Not drawn, off the scale: plain"] {
      #expect(plain.contains(word), "\(word)")
    }
  }

  /// A verification whose every name and text is `name`.
  private func verification(_ name: String) throws -> VerificationReport {
    let speech: JSONValue = .object([
      "repetition": .double(0.01), "greedy_repetition": .double(0.2), "distinct": .double(0.9), "empty": .int(0),
      "nats_per_byte": .double(0.5),
    ])
    let figures: JSONValue = .object([
      "bits_per_byte_before": .double(1), "bits_per_byte": .double(1.0625), "best_before": .double(0.9), "best": .double(0.95),
      "divergence": .double(0.123), "divergence_99": .double(1.5), "top_agreement": .double(0.8125), "overlap": .double(0.75),
    ])
    let probe: JSONValue = .object([
      "name": .string(name), "positions": .array([.int(1), .int(5), .int(9)]),
      "divergences": .array([.double(0), .double(0.1), .double(2)]),
    ])
    let answer: JSONValue = .object([
      "prompt": .string(name), "original": .string(name), "greedy": .string(name), "samples": .array([.string(name)]),
    ])
    let quality: JSONValue = .object([
      "figures": figures, "speech": speech, "originalSpeech": speech, "coherence": .object(["reasons": .array([.string(name)])]),
      "fidelity": .string("C"), "original": .string(name), "certificateBytes": .int(99), "sameAnswers": .int(1),
      "details": .object(["probes": .array([probe]), "answers": .array([answer])]),
    ])
    let check: JSONValue = .object(["name": .string(name), "passed": .bool(false), "detail": .string(name)])
    return try decoded(
      VerificationReport.self,
      .object(["checks": .array([check]), "bytes": .int(40_000_000), "bits_per_weight": .double(2.38), "quality": quality]))
  }

  @Test func aVerificationIsWholeAndEscaped() throws {
    let page = VerificationPage(try verification(Self.hostile), file: "/models/" + Self.hostile).html.markup
    let plain = VerificationPage(try verification("plain"), file: "/models/plain").html.markup
    #expect(Markup(page).problem == nil && Markup(plain).problem == nil)
    #expect(Markup(page).elements == Markup(plain).elements)
    for word in ["plain: FAIL", "40.0 MB", "1.0625", "0.123", "81.2 %", "Distribution of KL", "original, greedy", "seq-rep-4"] {
      #expect(plain.contains(word), "\(word)")
    }
    var bare = try verification("plain")
    bare.quality = nil
    #expect(Markup(VerificationPage(bare, file: "a").html.markup).problem == nil)
  }

  @Test(arguments: [("a.html", ReportFile.Form.html), ("b.JSON", .json), ("x/y.HTML", .html)])
  func theNameOfAReportTellsItsForm(name: String, form: ReportFile.Form) throws {
    #expect(try ReportFile(parsing: name).form == form)
  }

  @Test(arguments: ["", "html", "a.txt", "a.html.gz", "a"]) func otherNamesAreRefused(name: String) {
    let error = expectFailure(.usage) { _ = try ReportFile(parsing: name) }
    #expect(error?.message.contains(".html or .json") == true)
  }

  @Test func reportsAreWrittenInTheirForm() throws {
    let report = try report("plain")
    for name in ["a.html", "a.json"] {
      try ReportFile(parsing: scratch.path(name)).write(report, page: CompressionPage(report).html)
    }
    #expect(scratch.names == ["a.html", "a.json"])
    #expect(try contents(scratch.path("a.html")).starts(with: bytes("<!DOCTYPE html>")))
    let json = try contents(scratch.path("a.json")).withUnsafeBytesTyped { (bytes) throws(LMToolError) in
      try decodeJSON(JSONValue.self, bytes: bytes)
    }
    #expect(json["schema"]?.int == 1 && json["original_bytes"]?.int == 9_000_000)
    #expect(json["quality"]?.array?.first?["bits_per_byte_after"]?.double == 1.1)
    #expect(json["tensors"]?.array?.count == 3)
  }
}
