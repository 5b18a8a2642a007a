import Kernels
import TestSupport
import Testing

/// Runs `body` on every instruction set and expects bit-equal floats; returns those of the reference.
func agreed(_ what: String, _ body: () -> [Float]) -> [Float] {
  var expected: [Float] = []
  onEveryInstructionSet { set in
    let result = body()
    if set == .reference { expected = result }
    #expect(result.map(\.bitPattern) == expected.map(\.bitPattern), "\(what) on \(set)")
  }
  return expected
}
