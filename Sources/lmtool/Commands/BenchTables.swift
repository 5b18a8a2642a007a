import Inference
import Kernels
import Models

extension LMTool.Bench {
  /// Prints what was found for people.
  static func show(_ report: BenchReport, on console: Console) {
    console.print(overview(report))
    console.print()
    console.print(machine(report.ceilings))
    console.print()
    console.print(tests(report))
    if !report.kernelRates.isEmpty {
      console.print()
      console.print(kernels(report))
    }
    if !report.comparisons.isEmpty {
      console.print()
      console.print(comparison(report.comparisons))
    }
  }

  private static func overview(_ report: BenchReport) -> Table {
    let loaded = report.loaded, load = loaded.loadSeconds.quantity("s"), open = loaded.openSeconds.quantity("s")
    var table = Table(.left(), .left())
    func row(_ name: String, _ value: String) { table.add(Table.Cell(name), Table.Cell(value)) }
    row("file", loaded.source.path)
    row("parameters", "\(report.parameters)")
    row("weights in memory", "\(ByteSize(loaded.model.weightBytes)), keys and values in \(report.cache)")
    row("load", "\(load) with \(threads(loaded.threads)), \(open) of it for opening")
    row("first token", "\(loaded.firstTokenSeconds.quantity("s")) from opening, behind a prompt of \(loaded.promptTokens) tokens")
    if let peak = report.peakMemory { row("memory at most", "\(ByteSize(peak))") }
    return table
  }

  static func machine(_ ceilings: [MachineCeilings]) -> Table {
    var table = Table(.left("machine"), .right("memory"), .right("f32"), .right("bf16"), .right("int8"))
    for ceiling in ceilings {
      let peaks = [.f32, .bf16, .int8].map { (kind: MachineCeilings.Arithmetic) in
        ceiling.peaks[kind].map { $0.quantity("op/s") } ?? "none"
      }
      table.add(([threads(ceiling.threads), ceiling.bandwidth.quantity("B/s")] + peaks).map { Table.Cell($0) })
    }
    return table
  }

  private static func tests(_ report: BenchReport) -> Table {
    var table = Table(
      .left("test"), .right("threads"), .right("tokens/s"), .right("±"), .right("best"), .right("a token"), .right("rate"),
      .left("of the ceiling"))
    for result in report.results {
      let cells = [
        result.test.name, "\(result.threads)", result.rate.mean.rate, result.rate.deviation.rate, result.rate.best.rate,
        result.bytesPerToken.map { $0.quantity("B") } ?? result.operationsPerToken.quantity("op"),
        result.bytesPerSecond.map { $0.quantity("B/s") } ?? result.operationsPerSecond.quantity("op/s"),
        share(report.ceilings(result.threads).flatMap(result.fraction), of: result.ceiling),
      ]
      table.add(cells.map { Table.Cell($0) })
    }
    return table
  }

  private static func kernels(_ report: BenchReport) -> Table {
    var table = Table(
      .left("kernel"), .left("format"), .right("shape"), .right("tokens"), .right("threads"), .right("time"), .right("rate"),
      .left("of the ceiling"))
    for (threads, rate) in report.kernelRates {
      let shape = rate.shape.map { $0.map(String.init).joined(separator: " x ") } ?? "after \(rate.depth ?? 0)"
      let isOne = rate.tokens == 1
      let cells = [
        rate.name, rate.format, shape, "\(rate.tokens)", "\(threads)", rate.seconds.quantity("s"),
        ((isOne ? rate.bytes : rate.operations) / rate.seconds).quantity(isOne ? "B/s" : "op/s"),
        share(report.ceilings(threads).flatMap(rate.fraction), of: rate.ceiling),
      ]
      table.add(cells.map { Table.Cell($0) })
    }
    return table
  }

  private static func comparison(_ comparisons: [Comparison]) -> Table {
    var table = Table(
      .left("test"), .right("threads"), .right("theirs"), .right("ours"), .right("ratio"), .left("model"), .left("file"))
    for comparison in comparisons {
      let style: Style = comparison.ratio >= 1 ? .green : .red
      table.add(
        Table.Cell(comparison.ours.test.name), "\(comparison.ours.threads)", "\(comparison.bar.rate.rate)",
        "\(comparison.ours.rate.mean.rate)", Table.Cell(comparison.ratio.fixed(2), style), Table.Cell(comparison.bar.model),
        Table.Cell(comparison.bar.file))
    }
    return table
  }

  private static func threads(_ count: Int) -> String { count == 1 ? "1 thread" : "\(count) threads" }

  /// "42.1 % of int8", "87.0 % of bandwidth"; "no instruction for bf16" where there is no ceiling.
  static func share(_ fraction: Double?, of ceiling: String) -> String {
    fraction.map { "\((100 * $0).fixed(1)) % of \(ceiling)" } ?? "no instruction for \(ceiling)"
  }
}

extension Double {
  /// Tokens per second: as many digits as llama-bench shows, fewer for thousands.
  var rate: String { fixed(magnitude < 1000 ? 2 : 0) }
}
