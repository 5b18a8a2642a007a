import Compression
import Tensors

/// A verification as one page: the verdict, every check and figure, KL along the texts, and what the model says.
package struct VerificationPage {
  private let report: VerificationReport
  private let file: String

  /// A page for `report` of `file`.
  package init(_ report: VerificationReport, file: String) {
    self.report = report
    self.file = file
  }

  /// The whole page.
  package var html: HTML {
    Page.html(
      title: "\(ModelName.short(file)): \(report.passed ? "PASS" : "FAIL")",
      body: [summary, checks]
        + (report.quality.map { [figures($0)] + (($0.details).map { [charts($0), answers($0)] } ?? []) } ?? []))
  }

  private var summary: HTML {
    var figures = [Page.figure("file", "\(ByteSize(report.bytes))", note: "\(report.bitsPerWeight.fixed(2)) bits a weight")]
    if let quality = report.quality {
      figures += [
        Page.figure("coherent", quality.coherence.holds ? "yes" : "no", note: "makes sense where the original does"),
        Page.figure("fidelity", quality.fidelity.rawValue, note: "A: no difference to be seen; E: another model"),
        Page.figure("KL to the original", quality.figures.divergence.threeDigits, note: "nats a token"),
        Page.figure("bits per byte", "x \(quality.figures.ratio.fixed(4))", note: "the original's being 1"),
        Page.figure("same top token", "\((100 * quality.figures.topAgreement).fixed(1)) %"),
      ]
    }
    return "<section class=\"figures\">\n\(figures)</section>\n"
  }

  private var checks: HTML {
    let rows = report.checks.map { check -> [HTML] in
      ["\(check.name)", check.passed ? "ok" : "<strong>FAIL</strong>", "\(check.detail)"]
    }
    return "<section><h2>Checks</h2>\n\(Page.table(["check", "result", "detail"], words: [0, 1, 2], rows: rows))</section>\n"
  }

  private func figures(_ quality: QualityReport) -> HTML {
    let rows = quality.rows.map { row -> [HTML] in ["\(row.name)", "\(row.before)", "\(row.after)"] }
    return """
      <section><h2>Quality</h2>
      \(Page.table(["", "original", "this file"], rows: rows))\
      <p class="soft">Measured on the texts of the certificate. KL is that of the original's next token to the file's, in nats: 0 where both \
      expect the same. Repetition is the share of runs of four tokens that an answer had before.</p></section>

      """
  }

  private func charts(_ details: QualityDetails) -> HTML {
    let charts = [distribution(details)] + details.probes.filter { !$0.divergences.isEmpty }.map(course)
    return "<section><h2>KL along the texts</h2>\n<div class=\"charts\">\(charts.map(\.html))</div></section>\n"
  }

  /// KL of all positions, sorted.
  private func distribution(_ details: QualityDetails) -> Chart {
    let all = details.probes.flatMap(\.divergences).sorted(), steps = min(100, all.count)
    let points = (0..<steps).map { step -> Chart.Point in
      let index = steps == 1 ? 0 : step * (all.count - 1) / (steps - 1)
      return .init(x: 100 * Double(index + 1) / Double(max(1, all.count)), y: max(all[index], Self.least), label: "")
    }
    return Chart(
      "Distribution of KL", x: Axis("percent of positions below", scale: .linear, fitting: points.map(\.x)),
      y: Axis("KL, nats", scale: .logarithmic, fitting: points.map(\.y)),
      series: [.init("\(all.count) positions", points: points, isConnected: true)])
  }

  /// KL at the positions of a text.
  private func course(_ probe: QualityDetails.Probe) -> Chart {
    let points = zip(probe.positions, probe.divergences).map { position, divergence in
      Chart.Point(x: Double(position), y: max(divergence, Self.least), label: "")
    }
    return Chart(
      probe.name.printable, x: Axis("token", scale: .linear, fitting: points.map(\.x)),
      y: Axis("KL, nats", scale: .logarithmic, fitting: points.map(\.y)), series: [.init("KL", points: points)])
  }

  /// What is drawn for hardly any difference, which logarithms have no place for.
  private static let least = 1e-5

  private func answers(_ details: QualityDetails) -> HTML {
    let parts = details.answers.map { answer -> HTML in
      let said =
        [("original, greedy", answer.original), ("this file, greedy", answer.greedy)]
        + answer.samples.enumerated().map { ("this file, drawn, \($0 + 1)", $1) }
      let rows = said.map { name, text -> [HTML] in ["\(name)", "\(text)"] }
      return "<h2>\(answer.prompt)</h2>\n\(Page.table(["", "what is said"], words: [0, 1], rows: rows))"
    }
    return "<section>\n\(parts)</section>\n"
  }
}
