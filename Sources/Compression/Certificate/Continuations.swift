import Inference
import Kernels
import Models

/// How a model goes on after prompts: greedily, and by drawing tokens. The same on every machine.
struct Continuations {
  /// Of each prompt.
  private(set) var greedy: [[Int32]]
  /// Of each prompt: one for each sample.
  private(set) var samples: [[[Int32]]]

  /// Goes on after `prompts`, until a token of `ends`. All texts are written side by side.
  init(_ model: Transformer, prompts: [[Int32]], ends: Set<Int32>, _ sampling: Certificate.Sampling) {
    var drafts = prompts.enumerated().flatMap { number, prompt in
      (0...sampling.samples).map { Draft(prompt: prompt, number: number, sample: $0, ends: ends, sampling) }
    }
    let steps = (prompts.map(\.count).max() ?? 0) + sampling.length
    let capacity = min(steps, model.spec.positionLimit ?? steps)
    let pass = LockstepPass(model, texts: drafts.count, capacity: capacity), vocabulary = model.spec.vocabularySize
    var logits: Logits?
    for position in 0..<capacity {
      for index in drafts.indices {
        drafts[index].advance { sampler in
          guard let logits else { return 0 }
          return logits.withUnsafeBufferPointer { all in
            let own = UnsafeBufferPointer(rebasing: all[index * vocabulary..<(index + 1) * vocabulary])
            return sampler.sample(Logits(own, owner: pass))
          }
        }
      }
      if drafts.allSatisfy(\.isFinished) { break }
      if position + 1 < capacity { logits = pass.run(drafts.map(\.last)) }
    }
    let size = sampling.samples + 1
    greedy = prompts.indices.map { drafts[$0 * size].said }
    samples = prompts.indices.map { prompt in drafts[prompt * size + 1..<(prompt + 1) * size].map(\.said) }
  }

  /// A text under way.
  private struct Draft {
    /// What was said after the prompt, its end excluded.
    private(set) var said: [Int32] = []
    /// The newest token.
    private(set) var last: Int32 = 0
    private(set) var isFinished = false
    private var forced: ArraySlice<Int32>
    private var sampler: Sampler
    private let ends: Set<Int32>
    private let length: Int

    init(prompt: [Int32], number: Int, sample: Int, ends: Set<Int32>, _ sampling: Certificate.Sampling) {
      var options = SamplingOptions.greedy
      if sample > 0 {
        options.temperature = sampling.temperature
        options.topK = sampling.topK
        options.topP = 1
        options.minP = 0
        options.seed = UInt64(sampling.seed) &* 1_000_003 &+ UInt64(number * 16 + sample)
      }
      sampler = Sampler(options)
      forced = prompt[...]
      length = sampling.length
      self.ends = ends
    }

    /// Takes the next token of the prompt, or one of the model's; after the end the last one again.
    mutating func advance(_ sample: (inout Sampler) -> Int32) {
      if let next = forced.popFirst() {
        last = next
      } else if !isFinished {
        last = sample(&sampler)
        isFinished = ends.contains(last)
        if !isFinished { said.append(last) }
        isFinished = isFinished || said.count == length
      }
    }
  }
}
