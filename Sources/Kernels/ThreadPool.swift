import CKernels
import Synchronization

/// The only threads of the process: a few that live as long as the pool and share the indices of a parallel region.
///
/// Nothing that decides a result may depend on the number of threads: a task writes only what its own index names.
public final class ThreadPool: Sendable {
  /// Threads in all, the caller's included.
  public let threads: Int
  private nonisolated(unsafe) let pool: OpaquePointer

  private static let current = Mutex<ThreadPool?>(nil)

  /// A pool of `threads`, at least one.
  public init(threads: Int) {
    guard let pool = lmk_pool_create(max(1, threads)) else { preconditionFailure("out of memory for a thread pool") }
    self.pool = pool
    self.threads = max(1, threads)
  }

  deinit { lmk_pool_destroy(pool) }

  /// The pool that every room uses: as many threads as the process may use cores, unless `configure` said otherwise.
  public static var shared: ThreadPool {
    current.withLock { pool in
      if let pool { return pool }
      let made = ThreadPool(threads: availableCores)
      pool = made
      return made
    }
  }

  /// Replaces the shared pool by one of `threads`.
  public static func configure(threads: Int) {
    current.withLock { $0 = ThreadPool(threads: threads) }
  }

  /// Cores that this process may run on.
  public static var availableCores: Int { lmk_available_cores() }

  /// Calls `body` once for every index below `count`, on any thread, and returns when all calls have returned.
  ///
  /// Called from inside a region, or while another thread runs one, everything runs in the caller.
  public func forEach(_ count: Int, _ body: (Int) -> Void) {
    withoutActuallyEscaping(body) { escapable in
      var task = escapable
      withUnsafeMutablePointer(to: &task) { context in
        lmk_pool_run(
          pool, max(0, count),
          { context, index in
            context!.assumingMemoryBound(to: ((Int) -> Void).self).pointee(index)
          }, context)
      }
    }
  }

  /// The same for what must not allocate: a closure that leaves its scope is memory, `context` is where the caller keeps it.
  ///
  /// - Parameter task: receives `context` and an index.
  public func forEach<Context>(
    _ count: Int, _ context: borrowing Context, _ task: @convention(c) (UnsafeMutableRawPointer?, Int) -> Void
  ) {
    withUnsafePointer(to: context) { lmk_pool_run(pool, max(0, count), task, UnsafeMutableRawPointer(mutating: $0)) }
  }

  /// The same with a body that can fail; the error of the lowest failing index is thrown when all calls have returned.
  public func forEach<Failure: Error>(_ count: Int, _ body: (Int) throws(Failure) -> Void) throws(Failure) {
    let failure = Mutex<(index: Int, error: Failure)?>(nil)
    forEach(count) { (index: Int) -> Void in
      do throws(Failure) {
        try body(index)
      } catch {
        failure.withLock { first in
          if index < first?.index ?? Int.max { first = (index, error) }
        }
      }
    }
    if let error = failure.withLock({ $0?.error }) { throw error }
  }
}
