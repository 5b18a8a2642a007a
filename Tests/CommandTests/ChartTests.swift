import Testing
import lmtool

/// Axes and what is drawn between them.
struct ChartTests {
  @Test(
    arguments: [
      (0.0...10.0, [0.0, 2, 4, 6, 8, 10]), (0.93...1.41, [1.0, 1.1, 1.2, 1.3, 1.4]), (-1.0...1.0, [-1, -0.5, 0, 0.5, 1]),
      (35e6...92e6, [40e6, 50e6, 60e6, 70e6, 80e6, 90e6]), (0.00012...0.00031, [0.00015, 0.0002, 0.00025, 0.0003]),
    ])
  func linearTicksAreRoundNumbers(bounds: ClosedRange<Double>, ticks: [Double]) { #expect(Axis.linearTicks(bounds) == ticks) }

  @Test(
    arguments: [
      (0.001...10.0, [0.001, 0.01, 0.1, 1, 10]), (0.02...0.9, [0.02, 0.05, 0.1, 0.2, 0.5]),
      (0.004...0.9, [0.01, 0.03, 0.1, 0.3]),
      (0.009...0.11, [0.01, 0.02, 0.05, 0.1]), (0.045...0.41, [0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4]),
      (35e6...92e6, [40e6, 50e6, 60e6, 70e6, 80e6, 90e6]), (1e-20...1, [1e-20, 1e-17, 1e-14, 1e-11, 1e-8, 1e-5, 1e-2]),
    ])
  func logarithmicTicksAreRoundNumbers(bounds: ClosedRange<Double>, ticks: [Double]) {
    let found = Axis.logarithmicTicks(bounds)
    #expect(found.count == ticks.count && zip(found, ticks).allSatisfy { ($0 / $1 - 1).magnitude < 1e-12 }, "\(found)")
  }

  @Test(arguments: [[], [1.0], [0.0], [5, 5], [-1, 1], [1e-300, 1], [.nan, .infinity, 2], [1e9, 1e9 + 1], [1e99, 1e-99]])
  func everyAxisHasAFewTicksInOrder(values: [Double]) {
    for scale in [Axis.Scale.linear, .logarithmic] {
      let axis = Axis("x", scale: scale, fitting: values)
      #expect((2...10).contains(axis.ticks.count), "\(scale) \(axis.bounds) \(axis.ticks)")
      #expect(zip(axis.ticks, axis.ticks.dropFirst()).allSatisfy { $0 < $1 })
      for tick in axis.ticks { #expect((-1e-6...1 + 1e-6).contains(axis.position(tick) ?? 2)) }
      #expect(Set(axis.ticks.map(axis.name)).count == axis.ticks.count, "\(axis.ticks.map(axis.name))")
      for value in values where value.isFinite && value > 1e-99 {
        #expect((0...1).contains(axis.position(value) ?? 2), "\(value)")
      }
    }
  }

  @Test func positionsFollowTheScale() throws {
    let axis = Axis("x", scale: .logarithmic, fitting: [0.01, 1])
    let low = try #require(axis.position(0.01)), middle = try #require(axis.position(0.1)), high = try #require(axis.position(1))
    #expect((middle - (low + high) / 2).magnitude < 1e-9 && low > 0 && high < 1)
    #expect(axis.position(0) == nil && axis.position(-1) == nil && axis.position(.nan) == nil)
  }

  @Test func ticksAreNamedShortly() {
    let sizes = Axis("size", scale: .logarithmic, unit: .bytes, fitting: [1])
    #expect([500, 1500, 40e6, 1.5e9, 2e15].map(sizes.name) == ["500 B", "1.5 kB", "40 MB", "1.5 GB", "2 PB"])
    let plain = Axis("KL", scale: .logarithmic, fitting: [1])
    #expect(
      [0.05, 0.3, 1, 1000, 1e-6, 0, 2.5e9, 0.1 + 0.2].map(plain.name) == [
        "0.05", "0.3", "1", "1000", "1e-6", "0", "2.5e9", "0.3",
      ])
  }

  @Test(
    arguments: [
      (0.01234, "0.0123"), (1.2345, "1.23"), (12.345, "12.3"), (123.45, "123"), (99999, "99999"), (4.5e-5, "4.50e-5"), (0, "0"),
      (0.9996, "1.00"), (9.996, "10.0"), (-0.5, "-0.500"), (.infinity, "inf"), (0.001, "0.00100"),
    ])
  func figuresHaveThreeDigits(value: Double, text: String) { #expect(value.threeDigits == text) }

  @Test func pointsOffTheScaleAreNamedAndNamesEscaped() {
    let points = [
      Chart.Point(x: 1, y: 0, label: "<zero>"), .init(x: 2, y: .nan, label: "nan"), .init(x: 3, y: 0.5, label: "a&b"),
    ]
    let chart = Chart(
      "t<", x: Axis("x", scale: .linear, fitting: [1, 3]), y: Axis("y", scale: .logarithmic, fitting: [0.5, 1]),
      series: [.init("s\"", points: points, isConnected: true)], reference: (0.7, "<ref>"))
    let markup = chart.html.markup
    #expect(Markup(markup).problem == nil)
    #expect(
      markup.contains("Not drawn, off the scale: &lt;zero&gt;, nan.") && markup.contains("a&amp;b")
        && markup.contains("&lt;ref&gt;"))
    #expect(!markup.contains("NaN") && !markup.contains("nan\"") && !markup.contains("<polyline"))
  }

  @Test func labelsInACrowdAreLeftToTheTable() {
    let points = (0..<40).map { Chart.Point(x: 1, y: 1, label: "point \($0)") } + [.init(x: 3, y: 3, label: "alone")]
    let axis = Axis("x", scale: .linear, fitting: [0, 4])
    let markup = Chart("crowd", x: axis, y: axis, series: [.init("s", points: points)]).html.markup
    let labels = markup.split(separator: "<text class=\"label\"").dropFirst()
    #expect((2..<20).contains(labels.count) && labels.contains { $0.contains(">alone<") })
    #expect(points.indices.dropLast().allSatisfy { markup.contains("s, point \($0): ") })
  }

  @Test func aChartOfNothingIsWhole() {
    let chart = Chart(
      "none", x: Axis("x", scale: .linear, fitting: []), y: Axis("y", scale: .logarithmic, fitting: []), series: [])
    #expect(Markup(chart.html.markup).problem == nil)
  }

  @Test func tensorsAreLaidOutByLayerAndKind() {
    let layout = LayerLayout(names: [
      "model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight", "model.layers.0.mlp.up_proj.weight",
      "model.layers.10.mlp.up_proj.weight", "model.layers.2.mlp.up_proj.weight", "model.layers.x.mlp.up_proj.weight", "layers.1",
      "model.layers.2.mlp.up_proj.weight", "model.layers.3.experts.7.up.weight",
    ])
    #expect(layout.layers == [0, 2, 3, 10] && layout.kinds == ["q_proj", "up_proj", "experts.7.up"])
    #expect(layout.rows == [[1, 2, nil], [nil, 4, nil], [nil, nil, 8], [nil, 3, nil]])
    #expect(layout.others == [0, 5, 6, 7])
  }
}
