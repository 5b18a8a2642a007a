import ArgumentParser
import Inference

/// How the next token is chosen.
struct SamplingArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "How freely to choose: 0 always takes the likeliest token, 1 follows the model's own probabilities, more is wilder.",
      valueName: "t"))
  var temperature = SamplingOptions().temperature

  @Option(help: ArgumentHelp("Choose among the k likeliest tokens only; 0 for all.", valueName: "k"))
  var topK = SamplingOptions().topK

  @Option(
    help: ArgumentHelp("Choose among the likeliest tokens that together reach the probability p; 1 for all.", valueName: "p"))
  var topP = SamplingOptions().topP

  @Option(
    help: ArgumentHelp(
      "Choose among tokens that are at least p times as likely as the likeliest; 0 for all.", valueName: "p"))
  var minP = SamplingOptions().minP

  @Option(
    help: ArgumentHelp(
      "Make tokens that were among the last 64 less likely: above 1 against repetition; 1 for no change.", valueName: "r"))
  var repeatPenalty = SamplingOptions().repeatPenalty

  @Option(help: ArgumentHelp("The start of the random numbers: the same seed gives the same text.", valueName: "n"))
  var seed = SamplingOptions().seed

  func validate() throws { try options.validate() }

  /// The options for the sampler.
  var options: SamplingOptions {
    var options = SamplingOptions()
    options.temperature = temperature
    options.topK = topK
    options.topP = topP
    options.minP = minP
    options.repeatPenalty = repeatPenalty
    options.seed = seed
    return options
  }
}
