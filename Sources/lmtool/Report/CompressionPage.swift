import Compression
import Tensors

/// The report of rate mode as one page: what the file consists of, at which rate each tensor is coded, and what it costs.
package struct CompressionPage {
  private let report: RateReport

  /// A page for `report`.
  package init(_ report: RateReport) { self.report = report }

  /// The whole page.
  package var html: HTML {
    Page.html(
      title: report.model.map { "\(ModelName.short($0)) in \(ByteSize(report.bytes))" } ?? "A model in \(ByteSize(report.bytes))",
      body: [figures, quality, size, rates, sensitivities, vocabulary, calibration, tensors])
  }

  private var figures: HTML {
    var figures = [
      Page.figure("file", "\(ByteSize(report.bytes))", note: budget),
      Page.figure("bits a weight", report.bitsPerWeight.fixed(2), note: "\(ByteSize(report.originalBytes)) before"),
      Page.figure(
        "smaller by", "\((Double(report.originalBytes) / Double(max(1, report.bytes))).fixed(1)) times",
        note: "\(report.parameters) weights"),
    ]
    if let first = report.quality.first {
      let note = ModelName.short(first.text)
      figures += [
        Page.figure("KL to the original", first.divergence.threeDigits, note: "nats a token, \(note)"),
        Page.figure("perplexity", "x \(first.perplexityRatio.fixed(3))", note: note),
        Page.figure("same top token", "\((100 * first.topAgreement).fixed(1)) %", note: note),
      ]
    }
    return "<section class=\"figures\">\n\(figures)</section>\n"
  }

  private var budget: String {
    guard let budget = report.budget else { return "no budget" }
    return "\(report.bytes) of \(budget) bytes, \((100 * Double(report.bytes) / Double(max(1, budget))).fixed(2)) %"
  }

  private var quality: HTML {
    guard !report.quality.isEmpty else { return "" }
    return """
      <section><h2>Quality, before and after</h2>
      \(QualityTable.html(stages))\
      <p class="soft">KL is that of the original's next token to the artifact's, in nats: 0 where both expect the same. The 99th \
      percentile is what only one token in a hundred exceeds.</p></section>

      """
  }

  /// What the training did, and the end.
  private var stages: [(label: String, quality: RateReport.Quality)] {
    let before = [("before training", report.qualityBeforeTraining), ("before healing", report.qualityBeforeHealing)]
    return before.compactMap { label, quality in quality.map { (label, $0) } }
      + report.quality.map { (ModelName.short($0.text), $0) }
  }

  private var size: HTML {
    let rows = report.parts.enumerated().map { index, part -> [HTML] in
      let bits = part.parameters > 0 ? (Double(8 * part.bytes) / Double(part.parameters)).fixed(2) : ""
      return [
        "<span class=\"swatch \(Chart.colour(index))\"></span>\(part.name.printable)", "\(part.bytes)",
        "\((100 * Double(part.bytes) / Double(max(1, report.bytes))).fixed(1)) %",
        part.parameters > 0 ? "\(part.parameters)" : "", "\(bits)",
      ]
    }
    let bar = StackedBar(report.parts.map { (name: $0.name, amount: $0.bytes) }, limit: report.budget)
    return """
      <section><h2>What the bytes are</h2>
      \(bar.html)\(Page.table(["part", "bytes", "of the file", "weights", "bits a weight"], rows: rows))</section>

      """
  }

  private var rates: HTML {
    map(
      "Bits a weight", \.bits, isLogarithmic: false,
      """
      Each tensor gets the rate that it deserves: the step is such that one more bit would lower the loss equally anywhere.
      """)
  }

  private var sensitivities: HTML {
    map(
      "How much each matrix matters", \.sensitivity, isLogarithmic: true,
      "How much the loss moves when outputs of the matrix do, measured end to end: mean squared gradient.")
  }

  /// A map of layers and kinds of matrix; what is outside the layers is named below it.
  private func map(
    _ title: String, _ value: KeyPath<RateReport.Tensor, Double>, isLogarithmic: Bool, _ explanation: String
  ) -> HTML {
    let layout = LayerLayout(names: report.tensors.map(\.name))
    let values = layout.rows.map { row in row.map { $0.map { report.tensors[$0][keyPath: value] } } }
    let map = HeatMap(rows: layout.layers.map { "\($0)" }, columns: layout.kinds, values: values, isLogarithmic: isLogarithmic)
    let others = layout.others.map { index in
      let tensor = report.tensors[index], number = tensor[keyPath: value]
      return "\(tensor.name.printable) \(isLogarithmic ? number.scientific : number.fixed(2))"
    }
    let outside: HTML = others.isEmpty ? "" : "<p>Outside the layers: \(others.joined(separator: ", ")).</p>\n"
    return
      "<section><h2>\(title)</h2>\n<p class=\"soft\">\(explanation)</p>\n\(layout.layers.isEmpty ? "" : map.html)\(outside)</section>\n"
  }

  private var vocabulary: HTML {
    """
    <section><h2>Vocabulary and structure</h2>
    <p>\(report.vocabularyAfter) of \(report.vocabularyBefore) tokens: \(report.vocabularyReason).</p>
    <p>\(report.structure.map { "Layers: \($0.text)." } ?? "")</p></section>

    """
  }

  private var calibration: HTML {
    let order = ["calibration", "structure", "quantization", "training", "healing", "packing", "evaluation"]
    let known = order.filter { report.seconds[$0] != nil }
    let stages = known + report.seconds.keys.filter { !order.contains($0) }.sorted()
    let times = stages.map { stage -> [HTML] in ["\(stage)", "\((report.seconds[stage] ?? 0).fixed(1))"] }
    return """
      <section><h2>Calibration and time</h2>
      <p>\(report.calibrationTokens) tokens. The one knob, the step of an output whose sensitivity is 1: \(report.level.scientific).</p>
      \(times.isEmpty ? "" : Page.table(["stage", "seconds"], rows: times))</section>

      """
  }

  private var tensors: HTML {
    let rows = report.tensors.map { tensor -> [HTML] in
      [
        "\(tensor.name.printable)", "\(tensor.part.printable)", "\(tensor.parameters)", "\(tensor.bits.fixed(3))",
        "\((tensor.bits * Double(tensor.parameters) / 8).fixed(0))", "\(tensor.sensitivity.scientific)",
        "\(tensor.step.scientific)",
        "\(tensor.largest)",
      ]
    }
    let titles = ["tensor", "part", "weights", "bits a weight", "bytes", "sensitivity", "step", "largest value"]
    return """
      <section><h2>Every tensor</h2>
      <details><summary>\(report.tensors.count) matrices</summary>
      \(Page.table(titles, words: [0, 1], rows: rows))</details></section>

      """
  }
}

/// Rows of figures of quality, for pages.
enum QualityTable {
  /// A table with a row for each label.
  static func html(_ rows: [(label: String, quality: RateReport.Quality)]) -> HTML {
    let cells = rows.map { label, quality -> [HTML] in
      [
        "\(label.printable)", "\(quality.tokens)", "\(quality.bitsPerByteBefore.fixed(4))",
        "\(quality.bitsPerByteAfter.fixed(4))",
        "\(quality.perplexityBefore.threeDigits)", "\(quality.perplexityAfter.threeDigits)",
        "\(quality.perplexityRatio.fixed(4))",
        "\(quality.divergence.threeDigits)", "\(quality.divergence99.threeDigits)", "\((100 * quality.topAgreement).fixed(2)) %",
      ]
    }
    return Page.table(
      [
        "text", "tokens", "bits a byte before", "after", "perplexity before", "after", "ratio", "KL, mean", "KL, 99th percentile",
        "same top token",
      ], rows: cells)
  }
}
