import Inference
import Kernels
import Models
import Tensors
import TestSupport
import Testing

/// One text in progress: what it refuses, and what stays the same to the bit.
struct SessionTests {
  private let ids: [Int32] = [1, 403, 407, 261, 378, 432, 383, 285, 401, 300]

  private func session(_ capacity: Int) throws -> Session { Session(try Stories.shared.get().model, capacity: capacity) }

  @Test(arguments: [-1, 512, Int32.max, Int32.min]) func tokensOutsideTheVocabularyAreRefused(token: Int32) throws {
    let session = try session(16)
    try session.forward([1, 2])
    expectFailure(.usage) { try session.forward([3, token]) }
    #expect(session.length == 2)
    #expect(Array(try session.forward([3])) == Array(try self.session(16).forward([1, 2, 3])))
  }

  @Test func aFullContextIsRefusedAndUnchanged() throws {
    let session = try session(4)
    try session.forward(ids[..<3])
    expectFailure(.usage) { try session.forward(ids[3..<5]) }
    #expect(session.length == 3)
    #expect(Array(try session.forward(ids[3..<4])) == Array(try self.session(4).forward(ids[..<4])))
    expectFailure(.usage) { try session.forward([1]) }
  }

  @Test func noTokensGiveNoLogits() throws {
    let session = try session(4)
    #expect(try session.forward([Int32]()).isEmpty)
    #expect(try session.forward([1, 2], logits: .none).isEmpty)
    #expect(session.length == 2)
  }

  @Test func whatIsTruncatedIsForgotten() throws {
    let session = try session(ids.count)
    let whole = Array(try session.forward(ids))
    session.truncate(to: 4)
    try session.forward([9, 8, 7])
    session.truncate(to: 4)
    #expect(Array(try session.forward(ids[4...])) == whole)
    session.truncate(to: 0)
    #expect(Array(try session.forward(ids)) == whole)
  }

  @Test func longPromptsRunInBatchesOfTheSameBits() throws {
    let long = (0..<(Session.batch + 37)).map { Int32(3 + $0 * 7 % 500) }
    let whole = Array(try session(long.count).forward(long))
    let parts = try session(long.count)
    for start in stride(from: 0, to: long.count - 1, by: 29) {
      try parts.forward(long[start..<min(start + 29, long.count - 1)], logits: .none)
    }
    #expect(Array(try parts.forward(long.suffix(1))) == whole)
  }

  @Test func logitsOutliveTheirSession() throws {
    let expected = Array(try session(4).forward([1, 2, 3]))
    let logits = try session(4).forward([1, 2, 3])
    #expect(Array(logits) == expected)
  }

  /// Threads and instruction set belong to the process, so each combination has one of its own.
  @Test func threadsAndInstructionSetsDoNotChangeABit() async throws {
    let expected = Digest.hex(bits(of: try session(ids.count).forward(ids, logits: .all)))
    for isa in InstructionSet.allCases where isa.isAvailable {
      for threads in 1...3 where threads == 2 || isa == .reference {
        await #expect(processExitsWith: .success) {
          [isa = isa.rawValue as Int, threads = threads as Int, expected = expected as String] in
          try #require(InstructionSet(rawValue: isa)?.force() == true)
          ThreadPool.configure(threads: threads)
          #expect(ThreadPool.shared.threads == threads)
          let ids: [Int32] = [1, 403, 407, 261, 378, 432, 383, 285, 401, 300]
          let logits = try Session(try Stories.shared.get().model, capacity: ids.count).forward(ids, logits: .all)
          try #require(Digest.hex(bits(of: logits)) == expected)
        }
      }
    }
  }
}

/// The bytes of logits.
func bits(of logits: Logits) -> [UInt8] {
  logits.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
}
