import FuzzTargets
import Tensors
import TestSupport
import Testing

/// Every input that a fuzzer found something with, kept in `Findings`, and damaged fixtures: none of them may end the process.
struct FuzzTargetTests {
  private static let seeds: [(FuzzTarget, String)] = [
    (.safetensors, "numpy/arrays.safetensors"), (.gguf, "gguf/blocks.gguf"), (.pytorch, "pytorch/variants.pt"),
    (.pytorch, "pytorch/training.pt"), (.numpy, "numpy/arrays.npz"), (.ggml, "ggml/ggjt1.bin"), (.ggml, "ggml/ggjt3.bin"),
    (.sentencePiece, "tokenizers/tok512.model"),
    (.llama2c, "stories260K/stories260K-q8.bin"),
  ]

  @Test func findingsStayHarmless() throws {
    let folder = Fixtures.path("../Tests/FuzzTests/Findings"), file = FuzzFile()
    for target in FuzzTarget.allCases {
      for name in TestFolder.names(in: "\(folder)/\(target.rawValue)") {
        target.run(try contents("\(folder)/\(target.rawValue)/\(name)"), scratch: file)
      }
    }
  }

  /// Single bytes changed and ends cut off, at places and to values that are the same every time.
  @Test(arguments: seeds) func damagedFixturesAreHarmless(target: FuzzTarget, name: String) throws {
    damage(try contents(Fixtures.path(name)), for: target, rounds: 200)
  }

  /// The inputs that are put together from fixtures, or made.
  @Test(arguments: [FuzzTarget.tokenizerJSON, .tekken, .tiktoken, .characterMap, .template, .adapter, .certificate])
  func damagedSeedsAreHarmless(target: FuzzTarget) throws {
    let seeds = try FuzzSeeds.of(target).filter { target != .tiktoken || $0.first != UInt8(ascii: "#") }
    #expect(!seeds.isEmpty)
    for seed in seeds { damage(seed, for: target, rounds: max(4, 200 / seeds.count)) }
  }

  private func damage(_ whole: [UInt8], for target: FuzzTarget, rounds: Int) {
    let file = FuzzFile()
    var noise = Noise(UInt64(whole.count))
    target.run(whole, scratch: file)
    for _ in 0..<rounds {
      var damaged = whole
      let place = Int(noise.next() % UInt64(min(whole.count, 4096))), isNearEnd = noise.next() % 2 == 0
      damaged[isNearEnd ? whole.count - 1 - place : place] = UInt8(truncatingIfNeeded: noise.next())
      if noise.next() % 8 == 0 { damaged.removeLast(Int(noise.next() % UInt64(whole.count))) }
      target.run(damaged, scratch: file)
    }
  }
}
