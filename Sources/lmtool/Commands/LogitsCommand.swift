import ArgumentParser
import Artifacts
import Checkpoints
import Compression
import Inference
import Kernels
import Models
import Tensors

extension LMTool {
  /// `lmtool logits`.
  struct Logits: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write the logits of given tokens, for comparison with other programs.",
      discussion: """
        Writes one safetensors file with the F32 tensor "logits" [tokens, vocabulary]. No tokenizer is needed.

          lmtool logits SmolLM2 --ids "3 17 5" -o out.safetensors
        """)

    @Argument(help: "A model of any kind.", completion: .file())
    var model: String
    @Option(help: "Token ids, separated by spaces or commas.")
    var ids: String
    @Option(name: [.short, .customLong("output")], help: "The .safetensors file to write.", completion: .file())
    var output: String
    @Option(help: "How to hold keys and values.")
    var kvType = CacheType.f32
    @OptionGroup var compute: ArithmeticArguments
    @OptionGroup var speech: OutputOptions
    @OptionGroup var threads: ThreadOptions

    func run() throws {
      threads.apply()
      let console = speech.console
      let source = try ModelSource.open(model)
      let ids = try parseIDs(ids, below: source.spec.vocabularySize)
      guard !ids.isEmpty else { throw LMToolError(.usage, "--ids names no token") }
      try OutputPath.check(output, against: source)
      let model = try console.withProgress { (progress) throws(LMToolError) in
        try Transformer(source, arithmetic: compute.arithmetic, progress: progress)
      }
      let entry = SafetensorsEntry(name: "logits", dtype: .f32, shape: [ids.count, source.spec.vocabularySize])
      let writer = try SafetensorsWriter(path: output, entries: [entry])
      let session = Session(model, capacity: ids.count, cache: kvType.format)
      session.expect(length: ids.count)
      for start in stride(from: 0, to: ids.count, by: 64) {
        let logits = try session.forward(ids[start..<min(start + 64, ids.count)], logits: .all)
        try logits.withUnsafeBufferPointer { (floats) throws(LMToolError) in
          try Self.check(floats, of: source)
          try writer.write(floats: floats)
        }
      }
      try writer.finish()
      console.note("\(output): \(ids.count) x \(source.spec.vocabularySize)")
    }

    /// Logits that are no numbers come from weights that are none.
    private static func check(_ logits: UnsafeBufferPointer<Float>, of source: ModelSource) throws(LMToolError) {
      guard logits.contains(where: { !$0.isFinite }) else { return }
      throw LMToolError(
        .badInput, "the logits are not finite, so the weights are broken; lmtool inspect --tensor shows which", file: source.path,
        rule: "MODEL-5")
    }
  }
}
