import Compression
import Tensors

/// The size/quality curve as one page: charts for each text, and what they show in numbers.
package struct SweepPage {
  private let report: SweepReport

  /// A page for `report`.
  package init(_ report: SweepReport) { self.report = report }

  /// The whole page.
  package var html: HTML {
    Page.html(
      title: "What the bytes of \(ModelName.short(report.model)) are worth",
      body: [figures] + report.texts.indices.map(section) + [misses])
  }

  private var figures: HTML {
    let sizes = report.points.map(\.bytes), range = "\(ByteSize(sizes.min() ?? 0)) to \(ByteSize(sizes.max() ?? 0))"
    return """
      <section class="figures">
      \(Page.figure("original", "\(ByteSize(report.originalBytes))", note: "\(report.parameters) weights"))\
      \(Page.figure("files", "\(report.points.count)", note: range))\
      \(Page.figure("texts", "\(report.texts.count)", note: "in windows of \(report.window) tokens"))</section>

      """
  }

  /// Everything on one text.
  private func section(_ text: Int) -> HTML {
    let before = report.points.first?.quality[text].bitsPerByteBefore ?? 0
    let divergence = chart(
      "KL to the original", "KL, mean, nats a token", text, isLogarithmic: true, value: \.divergence)
    let bits = chart(
      "Bits per byte", "bits per byte of text", text, isLogarithmic: false, value: \.bitsPerByteAfter,
      reference: (before, "original, \(ByteSize(report.originalBytes))"))
    let ratio = chart(
      "Perplexity, the original's being 1", "ratio of perplexities", text, isLogarithmic: false, value: \.perplexityRatio,
      reference: (1, "original"))
    return """
      <section><h2>\(ModelName.short(report.texts[text]))</h2>
      \(divergence.html)<div class="charts">\(bits.html)\(ratio.html)</div>
      \(table(text))<p class="soft">\(report.points.first?.quality[text].tokens ?? 0) tokens. KL is that of the original's next token \
      to the file's: 0 where both expect the same. Sizes are of whole files, tokenizer and all.</p></section>

      """
  }

  private func chart(
    _ title: String, _ axis: String, _ text: Int, isLogarithmic: Bool, value: KeyPath<RateReport.Quality, Double>,
    reference: (value: Double, label: String)? = nil
  ) -> Chart {
    let series = SweepReport.Kind.allCases.compactMap { kind -> Chart.Series? in
      let points = report.points.filter { $0.kind == kind }
      guard !points.isEmpty else { return nil }
      return Chart.Series(
        kind.name,
        points: points.map { .init(x: Double($0.bytes), y: $0.quality[text][keyPath: value], label: $0.name) },
        isConnected: kind == .budget)
    }
    let points = series.flatMap(\.points), values = points.map(\.y) + (reference.map { [$0.value] } ?? [])
    // Where a model is broken its perplexity is a thousand times the original's, and would press all others to the floor.
    let isWide = (values.max() ?? 1) > 3 * (values.min() ?? 1)
    return Chart(
      title, x: Axis("size of the file", scale: .logarithmic, unit: .bytes, fitting: points.map(\.x)),
      y: Axis(axis, scale: isLogarithmic || isWide ? .logarithmic : .linear, fitting: values), series: series,
      reference: reference)
  }

  private func table(_ text: Int) -> HTML {
    let rows = report.points.sorted { $0.bytes > $1.bytes }.map { point -> [HTML] in
      let quality = point.quality[text]
      return [
        "\(point.name)", "\(point.kind.name)", "\(point.bytes)", "\(point.bitsPerWeight.fixed(2))",
        "\(quality.bitsPerByteAfter.fixed(4))", "\(quality.perplexityAfter.threeDigits)", "\(quality.perplexityRatio.fixed(4))",
        "\(quality.divergence.threeDigits)", "\(quality.divergence99.threeDigits)", "\((100 * quality.topAgreement).fixed(2)) %",
      ]
    }
    let titles = [
      "file", "made by", "bytes", "bits a weight", "bits a byte", "perplexity", "ratio", "KL, mean", "KL, 99th percentile",
      "same top token",
    ]
    return Page.table(titles, words: [0, 1], rows: rows)
  }

  private var misses: HTML {
    guard !report.misses.isEmpty else { return "" }
    let rows = report.misses.map { miss -> [HTML] in ["\(miss.label.printable)", "\(miss.reason)"] }
    return "<section><h2>What could not be made</h2>\n\(Page.table(["file", "why"], words: [0, 1], rows: rows))</section>\n"
  }
}

extension SweepReport.Kind {
  /// What made such files.
  var name: String {
    switch self {
    case .budget: "lmtool compress"
    case .grid: "int8 and int4 grids"
    case .gguf: "GGUF"
    }
  }
}

extension SweepReport.Point {
  /// What to call it where people read: a budget by its size.
  var name: String { budget.map { "\(ByteSize($0))" } ?? label.printable }
}
