import ArgumentParser
import Artifacts
import Compression
import Models
import Tensors

extension LMTool {
  /// `lmtool inspect`.
  struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show what a model file holds.",
      discussion: """
        Architecture, parameters by part, types, bits per weight, tokenizer and provenance of anything that import reads, \
        and of .lmz files. Opening is read-only and touches headers only; --entropy and --tensor read weights.

          lmtool inspect model.gguf
          lmtool inspect smollm2.lmz --tensors --entropy
          lmtool inspect SmolLM2 --tensor model.layers.0.mlp.up_proj.weight
        """)

    @Argument(help: "A model of any kind.", completion: .file())
    var model: String
    @Flag(help: "List every tensor.")
    var tensors = false
    @Flag(
      help:
        "With every tensor, the part of it that is zero; with every quantized one, the entropy of its codes in bits, and what rate mode stores above it."
    )
    var entropy = false
    @Option(help: "Statistics and histogram of one tensor.")
    var tensor: String?
    @OptionGroup var report: ReportOptions
    @OptionGroup var speech: OutputOptions

    func run() throws {
      let console = speech.console
      let source = try ModelSource.open(model)
      if let tensor {
        let result = try TensorReport(tensor, of: source)
        return try report.json ? console.print(json: result) : Self.show(result, on: console)
      }
      let result = try ModelReport(source, withTensors: tensors, withEntropy: entropy)
      try report.json ? console.print(json: result) : Self.show(result, on: console)
    }

    private static func show(_ report: ModelReport, on console: Console) {
      var head = Table(.left(), .left())
      func row(_ name: String, _ value: String) { head.add(Table.Cell(name), Table.Cell(value)) }
      row("file", report.path)
      row("format", report.format)
      row("architecture", report.architecture + (report.isTied ? ", tied embedding" : ""))
      let order = ["layers", "width", "heads", "key_value_heads", "head_size", "mlp_channels", "vocabulary", "context"]
      row("dimensions", order.compactMap { key in report.dimensions[key].map { "\(key) \($0)" } }.joined(separator: ", "))
      for key in ["heads", "key_value_heads", "mlp_channels"] {
        let sizes = (report.layerSizes ?? []).compactMap { $0[key] }
        if Set(sizes).count > 1 { row("\(key), by layer", sizes.map(String.init).joined(separator: " ")) }
      }
      row("parameters", "\(report.parameters)")
      row("size", "\(ByteSize(report.fileBytes)), \(report.bitsPerWeight.fixed(2)) bits per weight")
      row("tokenizer", report.tokenizer)
      if let template = report.chatTemplate { row("chat template", template) }
      if !report.unused.isEmpty { row("unused tensors", report.unused.joined(separator: ", ")) }
      for source in report.provenance?.sources ?? [] {
        row("made from", "\(source.name), \(source.size) bytes, sha256 \(source.sha256)")
      }
      if let recipe = report.provenance?.recipe, let json = try? encodeJSON(recipe) {
        row("recipe", String(decoding: json, as: UTF8.self))
      }
      console.print(head)
      console.print()
      console.print(parts(report.parts, title: "part"))
      console.print()
      console.print(parts(report.types, title: "type"))
      if let tensors = report.tensors {
        console.print()
        console.print(Self.tensors(tensors))
      }
      if let rate = report.rate {
        console.print()
        console.print(
          "rate mode: \(rate.tensors) matrices, \(rate.parameters) weights in \(rate.bytes) bytes; the entropy of their symbols "
            + "by class is \(Int(rate.entropyBytes)) bytes, the excess \(rate.excess.fixed(2)) %")
      }
    }

    private static func parts(_ parts: [ModelReport.Part], title: String) -> Table {
      var table = Table(.left(title), .right("tensors"), .right("parameters"), .right("bytes"), .right("bits/weight"))
      for part in parts {
        let cells = [part.name, "\(part.tensors)", "\(part.parameters)", "\(part.bytes)", part.bitsPerWeight.fixed(2)]
        table.add(cells.map { Table.Cell($0) })
      }
      return table
    }

    private static func tensors(_ rows: [ModelReport.Row]) -> Table {
      var table = Table(
        .left("tensor"), .left("shape"), .left("type"), .right("bytes"), .right("bits/weight"), .right("entropy"),
        .right("excess %"), .right("zeros %"))
      for row in rows {
        let shape = row.shape.map(String.init).joined(separator: " x ")
        let cells = [
          row.name, shape, row.type, "\(row.bytes)", row.bitsPerWeight.fixed(2), row.entropy?.fixed(3) ?? "",
          row.excess?.fixed(2) ?? "", row.zeros.map { (100 * $0).fixed(1) } ?? "",
        ]
        table.add(cells.map { Table.Cell($0) })
      }
      return table
    }

    private static func show(_ report: TensorReport, on console: Console) {
      var table = Table(.left(), .left())
      func row(_ name: String, _ value: String) { table.add(Table.Cell(name), Table.Cell(value)) }
      row("tensor", report.name)
      row("shape", report.shape.map(String.init).joined(separator: " x "))
      row("type", report.type)
      row("elements", "\(report.count), \(report.zeros) zero, \(report.nonfinite) not finite")
      guard report.nonfinite < report.count else { return console.print(table) }
      row("range", "\(report.minimum) ... \(report.maximum)")
      row("mean", "\(Float(report.mean))")
      row("root mean square", "\(Float(report.rootMeanSquare))")
      if let entropy = report.entropy { row("entropy of codes", "\(entropy.fixed(3)) bits") }
      console.print(table)
      console.print()
      let step = (Double(report.maximum) - Double(report.minimum)) / Double(max(1, report.histogram.count))
      console.print(histogram(report.histogram) { Double(report.minimum) + Double($0) * step })
      if let codes = report.codes, codes.count <= 16 {
        console.print()
        console.print(histogram(codes) { Double($0) })
      }
    }

    /// A bar for each count; `label` gives the number at the start of a row.
    private static func histogram(_ counts: [Int], label: (Int) -> Double) -> Table {
      var table = Table(.right("from"), .right("count"), .left(""))
      let most = max(1, counts.max() ?? 1)
      for (index, count) in counts.enumerated() {
        let bar = String(repeating: "#", count: (count * 50 + most - 1) / most)
        table.add(Table.Cell("\(Float(label(index)))"), Table.Cell("\(count)"), Table.Cell(bar))
      }
      return table
    }
  }
}
