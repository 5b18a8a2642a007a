import Compression

extension RateReport {
  /// The report in lines, for people.
  var table: Table {
    var table = Table(.left(), .left())
    table.add("original", Table.Cell("\(ByteSize(originalBytes))"))
    table.add("artifact", Table.Cell("\(ByteSize(bytes))"))
    for part in parts { table.add("  \(part.name)", Table.Cell("\(ByteSize(part.bytes))")) }
    table.add("parameters", Table.Cell("\(parameters)"))
    table.add("bits per weight", Table.Cell((Double(8 * bytes) / Double(max(1, parameters))).fixed(2)))
    table.add("vocabulary", Table.Cell("\(vocabularyAfter) of \(vocabularyBefore) tokens"))
    table.add("", Table.Cell(vocabularyReason))
    if let structure { table.add("structure", Table.Cell(structure.text)) }
    if let low = tensors.min(by: { $0.bits < $1.bits }), let high = tensors.max(by: { $0.bits < $1.bits }) {
      table.add("fewest bits", Table.Cell("\(low.bits.fixed(2))  \(low.name)"))
      table.add("most bits", Table.Cell("\(high.bits.fixed(2))  \(high.name)"))
    }
    if let training {
      table.add("trained", Table.Cell("\(training.reduce(0) { $0 + $1.steps }) steps behind \(training.count) layers"))
    }
    if let before = qualityBeforeTraining { table.add("KL before training", Table.Cell(before.divergence.fixed(4))) }
    if let before = qualityBeforeHealing { table.add("KL before healing", Table.Cell(before.divergence.fixed(4))) }
    for quality in quality {
      table.add("KL, \(quality.text)", Table.Cell(quality.divergence.fixed(4)))
      table.add("  99th percentile", Table.Cell(quality.divergence99.fixed(3)))
      table.add("  same top token", Table.Cell("\((100 * quality.topAgreement).fixed(1)) %"))
      table.add("  perplexity", Table.Cell("\(quality.perplexityBefore.fixed(2)) -> \(quality.perplexityAfter.fixed(2))"))
    }
    for (stage, seconds) in seconds.sorted(by: { $0.key < $1.key }) {
      table.add("seconds, \(stage)", Table.Cell(seconds.fixed(1)))
    }
    return table
  }
}
