import ArgumentParser
import Kernels

/// How many cores a command may use.
struct ThreadOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Use so many threads (default: one for each core). Results do not depend on it.", valueName: "n"))
  var threads: Int?

  func validate() throws {
    guard (1...1024).contains(threads ?? 1) else { throw ValidationError("--threads must be from 1 to 1024") }
  }

  /// Sets up the thread pool; to be called before any work.
  func apply() {
    if let threads { ThreadPool.configure(threads: threads) }
  }
}
