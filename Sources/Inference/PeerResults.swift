import Tensors

/// What another runtime reached in one test.
public struct PeerResult: Sendable, Equatable {
  /// The file that says so.
  public let file: String
  /// What it measured.
  public let test: BenchmarkTest
  /// Threads that it used.
  public let threads: Int
  /// Tokens per second, on average.
  public let rate: Double
  /// Their standard deviation; 0 where the file does not say.
  public let deviation: Double
  /// What it calls the model: "llama 1B Q4_0".
  public let model: String
  /// Weights of the model; nil where the file does not say.
  public let parameters: Int?

  /// A result that is known already.
  public init(
    file: String, test: BenchmarkTest, threads: Int, rate: Double, deviation: Double = 0, model: String = "",
    parameters: Int? = nil
  ) {
    self.file = file
    self.test = test
    self.threads = threads
    self.rate = rate
    self.deviation = deviation
    self.model = model
    self.parameters = parameters
  }
}

/// The tests of a file that `llama-bench -o json` or `-o jsonl` wrote, of llama.cpp or of ik_llama.cpp.
public struct PeerResults: Sendable {
  /// The path.
  public let file: String
  /// The tests that have a counterpart here, in the order of the file. A prompt and an answer timed together have none.
  public let results: [PeerResult]

  /// Reads a file.
  ///
  /// - Throws: `missingInput` when there is none; `badInput` when it is not what llama-bench writes, with the test that is wrong.
  public init(path: String) throws(LMToolError) {
    let file = try MappedFile(path: path)
    self.file = path
    do throws(LMToolError) {
      let tests = try Self.tests(in: file)
      guard !tests.isEmpty else { throw LMToolError(.badInput, "it holds no test; \(Self.remedy)") }
      var results: [PeerResult] = []
      for (index, test) in tests.enumerated() {
        do throws(LMToolError) {
          if let result = try Self.result(test, file: path) { results.append(result) }
        } catch { throw LMToolError(error.code, "test \(index + 1): \(error.message)", at: error.place) }
      }
      self.results = results
    } catch { throw error.within(file: path) }
  }

  private static let remedy = "write it with llama-bench -o json"

  /// One array of objects, or one object to a line.
  private static func tests(in file: MappedFile) throws(LMToolError) -> [JSONValue] {
    guard file.count <= 10_000_000 else {
      throw LMToolError(.badInput, "it has \(file.count) bytes, which no result of llama-bench has; \(remedy)")
    }
    return try file.withBytes(0..<file.count) { (bytes) throws(LMToolError) in
      guard bytes.first(where: { !Self.isSpace($0) }) != UInt8(ascii: "[") else {
        return try value(bytes, "it").array ?? []
      }
      var tests: [JSONValue] = []
      for (number, line) in bytes.split(separator: UInt8(ascii: "\n")).enumerated() where !line.allSatisfy(Self.isSpace) {
        tests.append(try value(UnsafeRawBufferPointer(rebasing: line), "line \(number + 1)"))
      }
      return tests
    }
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }

  private static func value(_ bytes: UnsafeRawBufferPointer, _ what: String) throws(LMToolError) -> JSONValue {
    do throws(LMToolError) { return try decodeJSON(JSONValue.self, bytes: bytes) } catch {
      throw LMToolError(.badInput, "\(what) is not valid JSON; \(remedy), and let it finish")
    }
  }

  /// The result of one test; nil when it has no counterpart here.
  private static func result(_ test: JSONValue, file: String) throws(LMToolError) -> PeerResult? {
    guard test.object != nil else { throw LMToolError(.badInput, "it is not an object; \(remedy)") }
    let prompt = try count(test, "n_prompt"), generated = try count(test, "n_gen")
    let threads = try count(test, "n_threads", atLeast: 1)
    let depth = test["n_depth"] == nil ? 0 : try count(test, "n_depth")
    let rate = try number(test, "avg_ts")
    guard rate > 0 else { throw LMToolError(.badInput, "\(rate) tokens per second is no rate", at: .key("avg_ts")) }
    let deviation = test["stddev_ts"] == nil ? 0 : try number(test, "stddev_ts")
    guard let counterpart = counterpart(prompt, generated, depth, label: test["test"]?.string) else { return nil }
    return PeerResult(
      file: file, test: counterpart, threads: threads, rate: rate, deviation: deviation,
      model: (test["model_type"]?.string ?? "").printable, parameters: test["model_n_params"]?.int)
  }

  /// ik_llama.cpp has no depth: "tg32@pp512" is an answer of 32 tokens after 512 that are not counted.
  private static func counterpart(_ prompt: Int, _ generated: Int, _ depth: Int, label: String?) -> BenchmarkTest? {
    if generated == 0 { return prompt > 0 ? BenchmarkTest(.prefill, tokens: prompt, depth: depth) : nil }
    if prompt == 0 { return BenchmarkTest(.decode, tokens: generated, depth: depth) }
    return label?.contains("@") == true ? BenchmarkTest(.decode, tokens: generated, depth: depth + prompt) : nil
  }

  private static func count(_ test: JSONValue, _ key: String, atLeast least: Int = 0) throws(LMToolError) -> Int {
    let value = try number(test, key)
    guard let count = Int(exactly: value), (least...1 << 32).contains(count) else {
      throw LMToolError(.badInput, "\(value) is not a number of that kind", at: .key(key))
    }
    return count
  }

  private static func number(_ test: JSONValue, _ key: String) throws(LMToolError) -> Double {
    guard let value = test[key] else { throw LMToolError(.badInput, "it is missing; \(remedy)", at: .key(key)) }
    guard let number = value.double, number.isFinite else { throw LMToolError(.badInput, "it must be a number", at: .key(key)) }
    return number
  }
}

/// A test beside the best that others reached in it.
public struct Comparison: Sendable {
  /// Ours.
  public let ours: BenchmarkResult
  /// The fastest of the others: the bar.
  public let bar: PeerResult

  /// Ours over theirs: above 1 we are faster.
  public var ratio: Double { ours.rate.mean / bar.rate }

  /// Every result that someone else has too, with the same tokens, depth and threads.
  public static func all(_ results: [BenchmarkResult], against peers: [PeerResults]) -> [Comparison] {
    let others = peers.flatMap(\.results)
    return results.compactMap { ours in
      let same = others.filter { $0.test == ours.test && $0.threads == ours.threads }
      return same.max { $0.rate < $1.rate }.map { Comparison(ours: ours, bar: $0) }
    }
  }
}
