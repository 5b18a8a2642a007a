import ArgumentParser
import Compression

/// How rate mode trains what it compresses.
struct RateTrainingArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Train for so many minutes while quantizing: after each layer, those behind it, floats still, learn from the original what makes up \
      for it. On the calibration text, so give much of it.
      """, valueName: "minutes"))
  var train: Double?

  @Option(
    help: ArgumentHelp(
      "The same, by tokens after each layer instead of minutes: the same bytes on every machine.", valueName: "n"))
  var trainTokens: Int?

  @Option(
    help: ArgumentHelp("The learning rate of --train at its highest (default: 0.0175 / width of the model).", valueName: "x"))
  var trainRate: Double?

  @Option(
    help: ArgumentHelp(
      "Train the steps, norms and biases of the finished model for so many minutes; its integers stay.", valueName: "minutes"))
  var heal: Double?

  @Option(help: ArgumentHelp("The same, by tokens instead of minutes.", valueName: "n"))
  var healTokens: Int?

  @Option(
    help: ArgumentHelp(
      "Train on this text file too, beside the calibration. May be given several times; each gets a fair share.",
      valueName: "file"), completion: .file())
  var trainText: [String] = []

  @Option(
    help: ArgumentHelp("Train on the conversations of this file too, one JSON object to the line.", valueName: "file"),
    completion: .file())
  var trainChats: [String] = []

  @Option(
    help: ArgumentHelp(
      "Read at most so many tokens of --train-text and --train-chats (default: \(RateOptions.usualTrainingTokens)).",
      valueName: "n"))
  var trainLimit: Int?

  func validate() throws {
    if train != nil, trainTokens != nil { throw ValidationError("--train and --train-tokens exclude each other") }
    if heal != nil, healTokens != nil { throw ValidationError("--heal and --heal-tokens exclude each other") }
    for (name, minutes) in [("--train", train), ("--heal", heal), ("--train-rate", trainRate)] {
      if let minutes, !(minutes > 0 && minutes.isFinite) { throw ValidationError("\(name) must be above 0") }
    }
    for (name, tokens) in [("--train-tokens", trainTokens), ("--heal-tokens", healTokens), ("--train-limit", trainLimit)] {
      if let tokens, tokens < 1 { throw ValidationError("\(name) must be above 0") }
    }
    if hasText, !isTraining { throw ValidationError("--train-text and --train-chats go with --train or --heal") }
    if trainLimit != nil, !hasText { throw ValidationError("--train-limit goes with --train-text or --train-chats") }
    if trainRate != nil, train == nil, trainTokens == nil {
      throw ValidationError("--train-rate goes with --train or --train-tokens")
    }
  }

  private var isTraining: Bool { train != nil || trainTokens != nil || heal != nil || healTokens != nil }

  private var hasText: Bool { !trainText.isEmpty || !trainChats.isEmpty }

  /// Whether anything was asked for.
  var isGiven: Bool { isTraining || hasText }

  /// The usual options of rate mode, with the training that was asked for.
  var options: RateOptions {
    var options = RateOptions()
    if let length = train.map({ SuffixTrainingOptions.Length.seconds($0 * 60) }) ?? trainTokens.map({ .tokens($0) }) {
      var training = SuffixTrainingOptions(length)
      training.rate = trainRate
      options.training = training
    }
    if heal != nil || healTokens != nil {
      var healing = DistillingOptions.healing
      healing.maximumSeconds = heal.map { $0 * 60 }
      healing.maximumTokens = healTokens
      options.healing = healing
    }
    if hasText {
      var text = CalibrationOptions()
      (text.texts, text.chats, text.tokens) = (trainText, trainChats, trainLimit)
      options.trainingText = text
    }
    return options
  }
}
