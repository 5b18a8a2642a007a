import Compression
import Tensors

/// What every layer and head is worth, and which of them went, as SVG: a row for each layer.
struct ImportancePicture {
  private let layers: [PruningReport.Layer]
  private let mostDivergence: Double
  private let mostHead: Double

  private static let row = 16.0, top = 40.0, labels = 34.0, bar = 180.0, cell = 15.0, gap = 18.0

  init(_ report: PruningReport) {
    layers = report.layers
    mostDivergence = layers.compactMap(\.divergence).max() ?? 0
    mostHead = layers.flatMap(\.heads).max() ?? 0
  }

  private var heads: Int { layers.map(\.heads.count).max() ?? 0 }
  private var headsLeft: Double { Self.labels + Self.bar + Self.gap }
  private var channelsLeft: Double { headsLeft + Double(heads) * Self.cell + Self.gap }

  /// The picture as a figure.
  var html: HTML {
    let width = channelsLeft + Self.bar + 20, height = Self.top + Double(layers.count) * Self.row + 12
    let headTitle: HTML = heads > 0 ? "<text class=\"soft\" x=\"\(headsLeft)\" y=\"28\">heads</text>" : ""
    return """
      <figure><svg viewBox="0 0 \(width) \(height)" role="img" aria-label="What layers and heads are worth">
      <text class="soft" x="\(Self.labels)" y="28">KL without the layer</text>\(headTitle)\
      <text class="soft" x="\(channelsLeft)" y="28">channels left</text>
      \(layers.enumerated().map { row($1, y: Self.top + Double($0) * Self.row) })</svg></figure>

      """
  }

  private func row(_ layer: PruningReport.Layer, y: Double) -> HTML {
    let isGone = layer.newIndex == nil, height = Self.row - 4
    let divergence = layer.divergence ?? 0
    let length = mostDivergence > 0 ? Self.bar * divergence / mostDivergence : 0
    let title =
      "layer \(layer.index): \(layer.divergence.map { "KL \($0.threeDigits)" } ?? "not measured")\(isGone ? ", gone" : "")"
    let worth: HTML = """
      <rect class="\(isGone ? "unused" : Chart.colour(0))" x="\(Self.labels)" y="\(y)" width="\(max(length, 0.5))" height="\(height)">\
      <title>\(title)</title></rect>
      """
    let part = isGone ? 0 : Double(layer.channelsLeft) / Double(max(1, layer.channels))
    let channels: HTML = """
      <rect class="unused" x="\(channelsLeft)" y="\(y)" width="\(Self.bar)" height="\(height)"/>\
      <rect class="\(Chart.colour(2))" x="\(channelsLeft)" y="\(y)" width="\(Self.bar * part)" height="\(height)">\
      <title>\(layer.channelsLeft) of \(layer.channels) channels</title></rect>
      """
    return """
      <text class="soft" text-anchor="end" x="\(Self.labels - 6)" y="\(y + height - 2)">\(layer.index)</text>\(worth)\
      \(layer.heads.indices.map { head(layer, $0, y: y) })\(channels)

      """
  }

  private func head(_ layer: PruningReport.Layer, _ index: Int, y: Double) -> HTML {
    let x = headsLeft + Double(index) * Self.cell, size = Self.cell - 3
    let strength = mostHead > 0 ? (layer.heads[index] / mostHead).squareRoot() : 0
    let group = index / max(1, layer.heads.count / max(1, layer.groups))
    let isGone = layer.newIndex == nil || layer.groupsGone.contains(group)
    let cross: HTML =
      isGone
      ? "<line class=\"frame\" x1=\"\(x)\" y1=\"\(y)\" x2=\"\(x + size)\" y2=\"\(y + size)\"/>" : ""
    return """
      <rect style="fill: var(--heat)" fill-opacity="\((0.06 + 0.94 * strength).fixed(2))" x="\(x)" y="\(y)" width="\(size)" \
      height="\(size)"><title>layer \(layer.index), head \(index): \(layer.heads[index].threeDigits) nats\
      \(isGone ? ", gone" : "")</title></rect>\(cross)
      """
  }
}
