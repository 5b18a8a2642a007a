import Kernels
import Synchronization

/// The choice of instruction set is the process's, and suites run at the same time: who chooses one at a time leaves the usual one behind.
private let choice = Mutex(())

/// Runs `body` on every instruction set that this processor has, the reference first.
public func onEveryInstructionSet<Failure: Error>(_ body: (InstructionSet) throws(Failure) -> Void) throws(Failure) {
  try choice.withLock { (_) throws(Failure) in
    let usual = InstructionSet.inUse
    defer { usual.force() }
    for set in InstructionSet.allCases where set.isAvailable {
      set.force()
      try body(set)
    }
  }
}
