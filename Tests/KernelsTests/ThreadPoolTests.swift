import Kernels
import Synchronization
import Testing

struct ThreadPoolTests {
  struct Refusal: Error, Equatable { let index: Int }

  @Test func everyIndexRunsOnce() {
    let pool = ThreadPool(threads: 4)
    for count in [0, 1, 2, 1000] {
      let seen = Mutex([Int](repeating: 0, count: count))
      pool.forEach(count) { index in seen.withLock { $0[index] += 1 } }
      #expect(seen.withLock { $0.allSatisfy { $0 == 1 } })
    }
  }

  @Test func regionsNestWithoutDeadlock() {
    let pool = ThreadPool(threads: 2)
    let total = Atomic(0)
    pool.forEach(10) { _ in pool.forEach(10) { _ in total.add(1, ordering: .relaxed) } }
    #expect(total.load(ordering: .relaxed) == 100)
  }

  @Test func theLowestFailureIsThrown() {
    let pool = ThreadPool(threads: 3)
    #expect(throws: Refusal(index: 5)) {
      try pool.forEach(100) { (index) throws(Refusal) in
        if index % 10 == 5 { throw Refusal(index: index) }
      }
    }
  }

  @Test func aSleepingPoolWakesUp() async throws {
    let pool = ThreadPool(threads: 2)
    let total = Atomic(0)
    for _ in 0..<3 {
      pool.forEach(8) { _ in total.add(1, ordering: .relaxed) }
      try await Task.sleep(for: .milliseconds(20))
    }
    #expect(total.load(ordering: .relaxed) == 24)
  }
}
