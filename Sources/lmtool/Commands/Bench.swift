import ArgumentParser
import Inference
import Kernels
import Models
import Tensors

extension LMTool {
  /// `lmtool bench`.
  struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Measure how fast a model loads, reads and writes, against what the machine can do.",
      discussion: """
        Tests are those of llama-bench, with its names: pp512 is a prompt of 512 tokens at once, tg64 are 64 tokens one by \
        one, "@ d1024" means after 1024 tokens that are in the cache already. Tokens are random, the same every time. Each \
        test runs once to warm up, then --repetitions times; the mean, the standard deviation and the best are shown.

        Behind each rate stands how close it comes to a ceiling that is measured on this machine in the same minute, with \
        the same threads. Prompts are bound by arithmetic: operations per second against the peak of dot products of bytes \
        (models of codes) or of fused multiply-adds (float models). Answers are bound by memory: bytes of weights and cache \
        that a token reads, against the bandwidth; a small model that stays in the processor's caches can exceed it.

        --compare takes what llama-bench wrote with -o json or -o jsonl, of llama.cpp or of ik_llama.cpp, and puts the best \
        of each test beside ours. Measure both on the same machine, with as little else going on as possible.

          lmtool bench smollm2.lmz
          lmtool bench smollm2.lmz --prompt 128,2048 --threads 1,2 --kernels
          llama-bench -m smollm2.gguf -p 128,512 -n 64 -t 2 -o json > peer.json
          lmtool bench smollm2.gguf --threads 2 --compare peer.json

        --training measures steps of training instead: of all the model's numbers on random texts, and towards a teacher of the \
        same shape, in f32 and in bf16, against the peak of each.

          lmtool bench smollm2/ --training --batch 4 --window 512

        In the report of --json, times are in seconds and rates per second: "load", "peak_memory_bytes", "machine" (the \
        ceilings for each number of threads), "tests", and where asked for "kernels" and "comparison". A multiplication and \
        an addition count as two operations.
        """)

    @Argument(help: "A model of any kind.", completion: .file())
    var model: String
    @Option(help: "Lengths of prompts, 0 for none (default: 128,512, as far as the model's context goes).")
    var prompt: CountList?
    @Option(help: "Lengths of answers, 0 for none (default: 64).")
    var generate: CountList?
    @Option(help: "Tokens in the cache before a test.")
    var depth = CountList(0)
    @Option(help: "How often each test counts.")
    var repetitions = 3
    @Option(help: "Numbers of threads (default: one for each core).")
    var threads: CountList?
    @Option(help: "How to hold keys and values of past tokens.")
    var kvType = CacheType.f16
    @Flag(help: "Time every matrix shape of the model, and attention at the depths given, by themselves.")
    var kernels = false
    @Flag(help: "Measure steps of training and of distillation instead.")
    var training = false
    @Option(help: ArgumentHelp("With --training: texts of a step.", valueName: "n"))
    var batch = 8
    @Option(help: ArgumentHelp("With --training: tokens of a text.", valueName: "n"))
    var window = 256
    @Option(
      help: ArgumentHelp("A result of llama-bench to compare with; may be given several times.", valueName: "file"),
      completion: .file())
    var compare: [String] = []
    @OptionGroup var report: ReportOptions
    @OptionGroup var speech: OutputOptions

    func validate() throws {
      try prompt?.validate("--prompt", in: 0...1 << 24)
      try generate?.validate("--generate", in: 0...1 << 24)
      try depth.validate("--depth", in: 0...1 << 24)
      try threads?.validate("--threads", in: 1...1024)
      guard (1...1000).contains(repetitions) else { throw ValidationError("--repetitions must be from 1 to 1000") }
      guard (1...4096).contains(batch) else { throw ValidationError("--batch must be from 1 to 4096") }
      guard (2...1 << 20).contains(window) else { throw ValidationError("--window must be from 2 to \(1 << 20)") }
      guard !training || (prompt == nil && generate == nil && depth.values == [0] && !kernels && compare.isEmpty) else {
        throw ValidationError("--training is measured alone, without --prompt, --generate, --depth, --kernels and --compare")
      }
    }

    func run() throws {
      let console = speech.console
      if training {
        let result = try console.withProgress { (progress) throws(LMToolError) in try measureTraining(progress) }
        return try report.json ? console.print(json: result) : Self.show(result, on: console)
      }
      let peers = try compare.map { (path) throws(LMToolError) in try PeerResults(path: path) }
      let result = try console.withProgress { (progress) throws(LMToolError) in try measure(peers, progress) }
      for warning in result.warnings { console.warn(warning) }
      try report.json ? console.print(json: result) : Self.show(result, on: console)
    }

    /// Memory is read before the ceilings are measured, since that takes a lot of it.
    private func measure(_ peers: [PeerResults], _ progress: ProgressConsumer?) throws(LMToolError) -> BenchReport {
      let counts = threads?.values ?? [ThreadPool.availableCores]
      ThreadPool.configure(threads: counts.max() ?? 1)
      let first = prompt?.values.first { $0 > 0 } ?? 128
      let loaded = try TimedModel(path: model, promptTokens: first, cache: kvType.format, progress: progress)
      let tests = try tests(within: loaded.source.spec.contextLength)
      for peer in peers { try check(peer, tests, counts) }
      let benchmark = Benchmark(loaded.model, cache: kvType.format, repetitions: repetitions)
      var result = BenchReport(loaded, cache: kvType.rawValue)
      for count in counts {
        ThreadPool.configure(threads: count)
        result.results += try benchmark.run(tests, progress: progress)
      }
      result.peakMemory = peakMemory()
      for count in kernels ? counts : [] {
        ThreadPool.configure(threads: count)
        result.kernelRates += try kernelRates(loaded.model, progress).map { (count, $0) }
      }
      result.ceilings = ceilings(Set(counts + [1]).sorted())
      result.comparisons = Comparison.all(result.results, against: peers)
      return result
    }

    /// The tests asked for; what is not asked for is made to fit the context of the model.
    private func tests(within context: Int) throws(LMToolError) -> [BenchmarkTest] {
      let room = max(1, context - (depth.values.max() ?? 0))
      let prompts = prompt?.values ?? [min(128, room), min(512, room)]
      let tests = BenchmarkTest.all(prompts: prompts, generations: generate?.values ?? [min(64, room)], depths: depth.values)
      guard !tests.isEmpty else { throw LMToolError(.usage, "there is nothing to measure; raise --prompt or --generate") }
      if let long = tests.first(where: { $0.depth + $0.tokens > context }) {
        throw LMToolError(
          .usage,
          "\(long.name) needs a context of \(long.depth + long.tokens) tokens, and the model has \(context); lower --prompt, "
            + "--generate or --depth", file: model)
      }
      return tests
    }

    /// Refuses results that have no test in common with ours, before much time is spent.
    private func check(_ peer: PeerResults, _ tests: [BenchmarkTest], _ counts: [Int]) throws(LMToolError) {
      guard !peer.results.contains(where: { tests.contains($0.test) && counts.contains($0.threads) }) else { return }
      func list(_ values: [Int]) -> String { Set(values).sorted().map(String.init).joined(separator: ",") }
      func lengths(_ phase: BenchmarkTest.Phase) -> String {
        let lengths = peer.results.filter { $0.test.phase == phase }.map(\.test.tokens)
        return lengths.isEmpty ? "0" : list(lengths)
      }
      let advice = "--prompt \(lengths(.prefill)) --generate \(lengths(.decode)) --depth \(list(peer.results.map(\.test.depth)))"
      throw LMToolError(
        .usage,
        peer.results.isEmpty
          ? "it only has tests that time a prompt and an answer together; measure them apart with llama-bench -p and -n"
          : "none of its tests is measured here; use \(advice) --threads \(list(peer.results.map(\.threads)))", file: peer.file)
    }

    private func kernelRates(_ model: Transformer, _ progress: ProgressConsumer?) throws(LMToolError) -> [KernelRate] {
      let benchmark = KernelBenchmark(model, cache: kvType.format)
      var rates: [KernelRate] = []
      for tokens in KernelBenchmark.tokenCounts {
        rates += benchmark.products(tokens: tokens, progress: progress)
        let room = model.spec.contextLength - tokens
        let asked = depth.values.filter { $0 > 0 && $0 <= room }
        for depth in asked.isEmpty ? [min(1024, room)].filter({ $0 > 0 }) : asked {
          if let rate = try benchmark.attention(depth: depth, tokens: tokens, progress: progress) { rates.append(rate) }
        }
      }
      return rates
    }

    func ceilings(_ counts: [Int]) -> [MachineCeilings] {
      let probe = CeilingProbe()
      return counts.map { count in
        ThreadPool.configure(threads: count)
        return probe.measure()
      }
    }
  }
}
