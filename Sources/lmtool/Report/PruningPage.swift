import Compression
import Tensors

/// The report of a pruning as one page: what went, what it cost, and what every layer and head is worth.
package struct PruningPage {
  private let report: PruningReport

  /// A page for `report`.
  package init(_ report: PruningReport) { self.report = report }

  /// The whole page.
  package var html: HTML {
    Page.html(title: "\(ModelName.short(report.model)), pruned", body: [figures, picture, quality, layers, tensors])
  }

  private var figures: HTML {
    let share = Double(report.parametersAfter) / Double(max(1, report.parametersBefore))
    var figures = [
      Page.figure("parameters", "\(report.parametersAfter)", note: "\((100 * share).fixed(1)) % of \(report.parametersBefore)")
    ]
    let left = report.layers.count { $0.newIndex != nil }
    if left < report.layers.count { figures.append(Page.figure("layers", "\(left)", note: "of \(report.layers.count)")) }
    if report.vocabularyAfter < report.vocabularyBefore {
      figures.append(Page.figure("tokens", "\(report.vocabularyAfter)", note: "of \(report.vocabularyBefore)"))
    }
    if report.widthAfter < report.widthBefore {
      figures.append(Page.figure("width", "\(report.widthAfter)", note: "of \(report.widthBefore)"))
    }
    if let nonzero = report.nonzero {
      figures.append(Page.figure("weights other than zero", "\(nonzero)", note: report.sparsity ?? ""))
    }
    if let quality = report.quality {
      figures.append(Page.figure("KL to the original", quality.divergence.threeDigits, note: "nats a token, \(quality.text)"))
    }
    return "<section class=\"figures\">\n\(figures)</section>\n"
  }

  private var picture: HTML {
    """
    <section><h2>What layers and heads are worth</h2>
    \(ImportancePicture(report).html)\
    <p class="soft">The bar on the left is the KL of the model without the layer alone, where that was measured; a layer that went is \
    hollow. Each square is a query head, the stronger the more it adds to what attention gives; one that went is crossed out. The bar on \
    the right is the part of the channels of the MLP that is left.</p></section>

    """
  }

  private var quality: HTML {
    guard let quality = report.quality else { return "" }
    return "<section><h2>Quality, before and after</h2>\n\(QualityTable.html([("after", quality)]))</section>\n"
  }

  private var layers: HTML {
    let rows = report.layers.map { layer -> [HTML] in
      let gone = layer.groupsGone.map(String.init).joined(separator: " ")
      return [
        "\(layer.index)", layer.newIndex.map { "\($0)" } ?? "gone", number(layer.influence), number(layer.divergence),
        number(layer.cost),
        "\(gone)", number(layer.groupCosts.isEmpty ? nil : layer.groupCosts.reduce(0, +)),
        "\(layer.channels - layer.channelsLeft)", number(layer.channelsLeft < layer.channels ? layer.channelCost : nil),
      ]
    }
    let titles = [
      "layer", "now", "block influence", "KL without it", "KL added by its going", "heads gone", "their loss", "channels gone",
      "their loss",
    ]
    return """
      <section><h2>Layers</h2>
      \(Page.table(titles, words: [], rows: rows))\
      <p class="soft">Losses are in nats a token. Those of heads and channels are estimates: the squared error of outputs times what such an \
      error was measured to do to the end.</p></section>

      """
  }

  private var tensors: HTML {
    guard !report.tensors.isEmpty else { return "" }
    let rows = report.tensors.map { tensor -> [HTML] in
      ["\(tensor.name.printable)", "\((100 * tensor.sparsity).fixed(1)) %", number(tensor.error)]
    }
    return """
      <section><h2>Matrices that changed</h2>
      <details><summary>\(report.tensors.count) matrices</summary>
      \(Page.table(["matrix", "zeros", "error"], rows: rows))</details>
      <p class="soft">The error is that of the outputs for the inputs of the text, relative to their mean square.</p></section>

      """
  }

  private func number(_ value: Double?) -> HTML { value.map { "\($0.threeDigits)" } ?? "" }
}
