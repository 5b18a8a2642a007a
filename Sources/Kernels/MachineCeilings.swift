import CKernels

/// What the machine does at best with so many threads, measured: the bar for every kernel. A multiplication and an addition count as
/// two operations.
public struct MachineCeilings: Sendable, Equatable {
  /// The kinds of arithmetic that matrix kernels are made of.
  public enum Arithmetic: UInt32, Sendable, CaseIterable {
    /// Fused multiply-add of 32-bit floats.
    case f32 = 0
    /// Dot products of bf16 numbers.
    case bf16 = 1
    /// Dot products of bytes.
    case int8 = 2

    var c: lmk_peak { lmk_peak(rawValue) }

    /// The fastest instruction that this processor has for it, such as "vpdpbusd zmm"; nil when it has none.
    public var instruction: String? { lmk_peak_instruction(c).map { String(cString: $0) } }
  }

  /// Threads that worked at once.
  public let threads: Int
  /// Bytes per second read from memory.
  public let bandwidth: Double
  /// Operations per second; nothing for what the processor has no instruction for.
  public let peaks: [Arithmetic: Double]

  /// Ceilings that are known already.
  public init(threads: Int, bandwidth: Double, peaks: [Arithmetic: Double]) {
    self.threads = threads
    self.bandwidth = bandwidth
    self.peaks = peaks
  }
}

/// Measures the ceilings, in about a third of a second. Other work on the machine lowers them, as it lowers what is compared with
/// them: measure both in the same minute.
public final class CeilingProbe {
  private let memory: UnsafeMutableRawPointer
  private let size: Int
  private let repetitions: Int
  private let clock = ContinuousClock()

  /// A probe that reads four times the last-level cache, but no more than 256 MiB, which it holds as long as it lives.
  ///
  /// - Parameters:
  ///   - bytes: what to read instead; whole pages.
  ///   - repetitions: how often to measure each ceiling; the best counts.
  public init(bytes: Int? = nil, repetitions: Int = 15) {
    size = max(4096, bytes ?? min(256 << 20, 4 * lmk_last_level_cache()))
    self.repetitions = max(1, repetitions)
    memory = .allocate(byteCount: size, alignment: 4096)
    memory.initializeMemory(as: UInt8.self, repeating: 1, count: size)  // pages that were never written are one and the same
  }

  deinit { memory.deallocate() }

  /// Measures with the threads of the shared pool.
  public func measure() -> MachineCeilings {
    var peaks: [MachineCeilings.Arithmetic: Double] = [:]
    for arithmetic in MachineCeilings.Arithmetic.allCases { peaks[arithmetic] = peak(arithmetic) }
    return MachineCeilings(threads: ThreadPool.shared.threads, bandwidth: bandwidth(), peaks: peaks)
  }

  /// Every thread reads its own part.
  private func bandwidth() -> Double {
    let pool = ThreadPool.shared, part = size / pool.threads
    let seconds = best { pool.forEach(pool.threads) { index in _ = lmk_read(self.memory + index * part, part) } }
    return Double(part * pool.threads) / seconds
  }

  private func peak(_ arithmetic: MachineCeilings.Arithmetic) -> Double? {
    let operations = lmk_peak_operations(arithmetic.c), pool = ThreadPool.shared
    guard operations > 0 else { return nil }
    var rounds = 1000
    func run() { pool.forEach(pool.threads) { _ in lmk_peak_run(arithmetic.c, rounds) } }
    while time(run) < 0.001 { rounds *= 2 }  // long against waking the threads, short against a slice of the scheduler
    return operations * Double(rounds * pool.threads) / best(run)
  }

  private func best(_ work: () -> Void) -> Double { (0..<repetitions).map { _ in time(work) }.min() ?? 0 }

  private func time(_ work: () -> Void) -> Double {
    let start = clock.now
    work()
    return max(1e-9, (clock.now - start) / .seconds(1))
  }
}
