import Tensors
import Tokenizers

/// What is known of the quality of a file.
public struct QualityReport: Codable, Sendable {
  /// How near the file is to its original on the texts.
  public var figures: Certificate.Figures
  /// What its continuations are like.
  public var speech: Certificate.Speech
  /// What the original's are like.
  public var originalSpeech: Certificate.Speech
  /// The verdict on sense.
  public var coherence: Coherence
  /// The verdict on likeness.
  public var fidelity: FidelityGrade
  /// Identifies the weights of the original (CAL-3).
  public var original: String
  /// Bytes of the record in the file; 0 where there is none and the original was at hand.
  public var certificateBytes: Int
  /// Prompts that it answers greedily as the original does, word for word.
  public var sameAnswers: Int
  /// Every text and every answer; nil where they were not asked for.
  public var details: QualityDetails?

  /// What the record says.
  init(_ head: Certificate.Head, bytes: Int, _ tokenizer: Tokenizer) {
    figures = head.figures
    speech = head.speech
    originalSpeech = head.originalSpeech
    coherence = Coherence(head)
    fidelity = FidelityGrade(head.figures)
    original = head.original
    certificateBytes = bytes
    sameAnswers = head.prompts.count { String(decoding: tokenizer.decode($0.greedy), as: UTF8.self) == $0.original }
  }
}

/// What was measured of a file, text by text and answer by answer.
public struct QualityDetails: Codable, Sendable {
  /// A text.
  public struct Probe: Codable, Sendable {
    /// What kind of text it is.
    public var name: String
    /// The tokens that were compared, by their index in the text.
    public var positions: [Int]
    /// KL from the original at each of them, in nats.
    public var divergences: [Double]
  }

  /// A question, and what was said.
  public struct Answer: Codable, Sendable {
    /// The question, or the beginning.
    public var prompt: String
    /// What the original says, greedily.
    public var original: String
    /// What the file says, greedily.
    public var greedy: String
    /// What it says when tokens are drawn.
    public var samples: [String]
  }

  /// The texts.
  public var probes: [Probe]
  /// The answers.
  public var answers: [Answer]

  init(_ certificate: Certificate, _ tokenizer: Tokenizer, _ divergences: [[Double]], _ said: Continuations) {
    func text(_ tokens: [Int32]) -> String { String(decoding: tokenizer.decode(tokens), as: UTF8.self) }
    probes = zip(certificate.head.probes, divergences).map {
      Probe(name: $0.name, positions: $0.positions, divergences: $1.map { ($0 * 1e6).rounded() / 1e6 })
    }
    let prompts = certificate.head.prompts
    answers = prompts.indices.map {
      Answer(
        prompt: prompts[$0].text, original: prompts[$0].original, greedy: text(said.greedy[$0]),
        samples: said.samples[$0].map(text))
    }
  }
}
