import ArgumentParser
import Compression
import Training

/// How a model is trained.
struct TrainingArguments: ParsableArguments {
  @Option(help: ArgumentHelp("Train at most so many minutes.", valueName: "minutes"))
  var maxTime: Double?
  @Option(help: ArgumentHelp("Train on at most so many tokens.", valueName: "n"))
  var maxTokens: Int?
  @Option(help: ArgumentHelp("The learning rate at its highest.", valueName: "x"))
  var rate: Double?
  @Option(help: ArgumentHelp("Texts of a step.", valueName: "n"))
  var batch: Int = 4
  @Option(help: ArgumentHelp("Texts that pass together, the less the less memory (default: 4).", valueName: "n"))
  var together: Int?
  @Flag(help: "Compute layers twice rather than keep what they made: less memory, a third more time.")
  var recompute = false
  @Option(help: ArgumentHelp("What logits are divided by before they are compared.", valueName: "x"))
  var temperature: Double = 1
  @Option(
    help: ArgumentHelp(
      "The share of the loss that is cross-entropy of the text; the rest is divergence from the teacher (default: 0).",
      valueName: "share"))
  var crossEntropy: Double?
  @Option(help: ArgumentHelp("Train changes of this rank of the layers' matrices (LoRA) instead of all numbers.", valueName: "r"))
  var loraRank: Int?
  @Option(
    help: ArgumentHelp("Changes are multiplied with this and divided by the rank (default: twice the rank).", valueName: "x"))
  var loraAlpha: Double?
  @Option(help: ArgumentHelp("Steps between two looks at the text that is kept aside.", valueName: "n"))
  var interval: Int = 20
  @Flag(help: "Compute products in f32 rather than in bf16.")
  var f32 = false

  func validate() throws {
    func require(_ holds: Bool, _ message: String) throws { if !holds { throw ValidationError(message) } }
    func isPositive(_ value: Double?) -> Bool { value.map { $0.isFinite && $0 > 0 } ?? true }
    try require(isPositive(maxTime), "--max-time must be more than 0")
    try require(maxTokens.map { $0 > 0 } ?? true, "--max-tokens must be more than 0")
    try require(isPositive(rate), "--rate must be more than 0")
    try require((1...1 << 16).contains(batch), "--batch must be from 1 to \(1 << 16)")
    try require((1...1 << 16).contains(together ?? 1), "--together must be from 1 to \(1 << 16)")
    try require((0.01...100).contains(temperature), "--temperature must be from 0.01 to 100")
    try require((0...1).contains(crossEntropy ?? 0), "--cross-entropy must be from 0 to 1")
    try require((1...1 << 16).contains(loraRank ?? 1), "--lora-rank must be from 1 to \(1 << 16)")
    try require(isPositive(loraAlpha), "--lora-alpha must be more than 0")
    try require(loraAlpha == nil || loraRank != nil, "--lora-alpha needs --lora-rank")
    try require(interval > 0, "--interval must be more than 0")
  }

  /// The options of a training; `heals` for one whose integers stay as they are.
  func options(heals: Bool) -> DistillingOptions {
    var options = DistillingOptions()
    if let loraRank {
      options.plan = .lowRank(rank: loraRank, alpha: Float(loraAlpha ?? 2 * Double(loraRank)), seed: 0)
    } else {
      options.plan = heals ? .factors : .everything
    }
    options.optimizer.rate = rate ?? (loraRank != nil ? 1e-3 : heals ? DistillingOptions.healingRate : 2e-4)
    options.batch = batch
    options.together = together ?? options.together
    options.recomputes = recompute
    options.loss.temperature = Float(temperature)
    options.loss.divergence = Float(1 - (crossEntropy ?? 0))
    options.maximumSeconds = maxTime.map { $0 * 60 }
    options.maximumTokens = maxTokens
    options.interval = interval
    options.usesBF16 = !f32
    return options
  }
}
