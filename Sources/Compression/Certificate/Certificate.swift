/// What a file says of its own quality (`formats/certificate.md`): what the original makes of some texts, what it says, and what the model in
/// the file makes and says of the same.
public struct Certificate: Sendable, Equatable {
  /// Everything but the distributions.
  public var head: Head
  /// What the original expects at the positions of each probe, in their order.
  public var references: [[Reference]]

  /// The part that is JSON (CERT-2).
  public struct Head: Codable, Sendable, Equatable {
    /// The version of the record, 1.
    public var version = 1
    /// Identifies the weights of the original (CAL-3).
    public var original: String
    /// Tokens of the vocabulary of the model in the file, which all ids are of.
    public var vocabulary: Int
    /// Tokens that each reference has.
    public var entries: Int
    /// The texts.
    public var probes: [Probe]
    /// What the models went on with.
    public var prompts: [Prompt]
    /// How they did.
    public var sampling: Sampling
    /// What the original's continuations are like.
    public var originalSpeech: Speech
    /// What the file's continuations are like.
    public var speech: Speech
    /// How near the file came to the original on the probes.
    public var figures: Figures

    private enum CodingKeys: String, CodingKey {
      case version, original, vocabulary, entries, probes, prompts, sampling, speech, figures
      case originalSpeech = "original_speech"
    }
  }

  /// A text, as the model in the file reads it.
  public struct Probe: Codable, Sendable, Equatable {
    /// What kind of text it is.
    public var name: String
    /// The text.
    public var text: String
    /// Its tokens, without BOS.
    public var ids: [Int32]
    /// The tokens whose places have references: each as its distance from the one before, the first from -1.
    public var gaps: [Int]
    /// The first token that is scored.
    public var start: Int
    /// Bytes that the scored tokens stand for.
    public var bytes: Int
    /// Negative log-likelihood of these bytes under the original, in nats.
    public var nats: Double

    /// The indices in `ids` of the tokens that have references.
    public var positions: [Int] {
      var last = -1
      return gaps.map {
        last += $0
        return last
      }
    }
  }

  /// A beginning, and how it went on.
  public struct Prompt: Codable, Sendable, Equatable {
    /// The beginning, or the question.
    public var text: String
    /// The tokens that the model in the file reads.
    public var ids: [Int32]
    /// What the original says, greedily.
    public var original: String
    /// What the model in the file says, greedily.
    public var greedy: [Int32]
    /// What it says when tokens are drawn.
    public var samples: [[Int32]]
  }

  /// How continuations are drawn.
  public struct Sampling: Codable, Sendable, Equatable {
    /// The most tokens of one.
    public var length: Int
    /// How many there are to a prompt, besides the greedy one.
    public var samples: Int
    /// The temperature.
    public var temperature: Double
    /// So many of the likeliest tokens are drawn from.
    public var topK: Int
    /// The seed.
    public var seed: Int

    private enum CodingKeys: String, CodingKey {
      case length, samples, temperature, seed
      case topK = "top_k"
    }
  }

  /// What continuations are like.
  public struct Speech: Codable, Sendable, Equatable {
    /// The share of runs of four tokens that a drawn continuation had before.
    public var repetition: Double
    /// The same of greedy ones.
    public var greedyRepetition: Double
    /// The share of pairs of tokens, of all drawn continuations, that are different.
    public var distinct: Double
    /// Continuations without a token.
    public var empty: Int
    /// Negative log-likelihood of the drawn ones under the original, in nats for each byte.
    public var natsPerByte: Double

    private enum CodingKeys: String, CodingKey {
      case repetition, distinct, empty
      case greedyRepetition = "greedy_repetition"
      case natsPerByte = "nats_per_byte"
    }
  }

  /// How near one model is to another (CERT-9).
  public struct Figures: Codable, Sendable, Equatable {
    /// Bits for each byte of all probes under the original.
    public var bitsPerByteBefore: Double
    /// The same under the model in the file.
    public var bitsPerByte: Double
    /// The fewest bits for each byte of a probe under the original.
    public var bestBefore: Double
    /// The same under the model in the file.
    public var best: Double
    /// The mean of KL(original ‖ file) over positions, in nats.
    public var divergence: Double
    /// The 99th percentile of the same.
    public var divergence99: Double
    /// The share of positions at which both find the same token likeliest.
    public var topAgreement: Double
    /// The mean of what the two distributions have in common: 1 - total variation.
    public var overlap: Double

    /// The bits of the file for each of the original.
    public var ratio: Double { bitsPerByte / bitsPerByteBefore }

    private enum CodingKeys: String, CodingKey {
      case divergence, overlap, best
      case bitsPerByteBefore = "bits_per_byte_before"
      case bitsPerByte = "bits_per_byte"
      case bestBefore = "best_before"
      case divergence99 = "divergence_99"
      case topAgreement = "top_agreement"
    }
  }

  /// The likeliest tokens at a position, likeliest first.
  public struct Reference: Sendable, Equatable {
    /// The tokens.
    public var ids: [Int32]
    /// Minus the logarithm of the probability of the first, in units of 1/2048.
    public var first: UInt16
    /// How much the logarithm falls from each token to the next, in units of 1/32; 0 for the first.
    public var falls: [UInt8]

    /// The probabilities, and what is left for all other tokens.
    public var probabilities: (of: [Double], tail: Double) {
      var nats = -Double(first) / 2048
      let all = falls.map { (fall) -> Double in
        nats -= Double(fall) / 32
        return naturalExponential(nats)
      }
      let sum = all.reduce(0, +)
      return sum > 1 ? (all.map { $0 / sum }, 0) : (all, 1 - sum)
    }

    /// Keeps the likeliest `count` of the `vocabulary` tokens of `logits`, whose logarithm of the sum of exponentials is `logSum`.
    init(_ logits: UnsafePointer<Float>, vocabulary: Int, logSum: Double, count: Int) {
      var kept: [Int32] = []
      for token in 0..<Int32(vocabulary) {
        let logit = logits[Int(token)]
        if let last = kept.last, kept.count == count, logits[Int(last)] >= logit { continue }
        kept.insert(token, at: kept.firstIndex { logits[Int($0)] < logit } ?? kept.count)
        if kept.count > count { kept.removeLast() }
      }
      ids = kept
      let logarithms = kept.map { Double(logits[Int($0)]) - logSum }
      first = UInt16(min(65_535, max(0, (-logarithms[0] * 2048).rounded())))
      var nats = -Double(first) / 2048, falls: [UInt8] = [0]
      for logarithm in logarithms.dropFirst() {
        // What rounding and the largest step leave over is made up for by the next token.
        let fall = UInt8(min(255, max(0, ((nats - logarithm) * 32).rounded())))
        nats -= Double(fall) / 32
        falls.append(fall)
      }
      self.falls = falls
    }

    /// A reference of these parts.
    public init(ids: [Int32], first: UInt16, falls: [UInt8]) {
      self.ids = ids
      self.first = first
      self.falls = falls
    }
  }
}
