import Kernels
import Synchronization
import Testing

/// The choice of instruction set is global, and suites run at the same time.
private let choice = Mutex(())

/// Runs `body` on every instruction set that this processor has, the reference first.
func onEveryInstructionSet(_ body: (InstructionSet) -> Void) {
  choice.withLock { _ in
    let usual = InstructionSet.inUse
    defer { usual.force() }
    for set in InstructionSet.allCases where set.isAvailable {
      set.force()
      body(set)
    }
  }
}

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
