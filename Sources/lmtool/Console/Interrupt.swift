import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Ctrl-C, `kill` and a closed terminal: unfinished files are removed, and the process ends with 128 + the signal, 130 for Ctrl-C.
///
/// A signal handler may do next to nothing, so there is none: all threads block the signals, and one waits for them.
enum Interrupt {
  /// Starts the waiting thread. Must be called before any other thread exists, since threads inherit what is blocked.
  static func install() {
    signal(SIGPIPE, SIG_IGN)  // a departed reader is an error of write(2), not the end
    signal(SIGXFSZ, SIG_IGN)  // and so is a limit on file sizes
    var signals = awaited()
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    startWaiting()
  }

  private static func startWaiting() {
    #if canImport(Glibc)
      var thread = pthread_t()
    #else
      var thread: pthread_t?
    #endif
    pthread_create(&thread, nil, { _ in Interrupt.wait() }, nil)
  }

  /// SIGINT, SIGTERM, and SIGHUP unless nohup(1) asked to ignore it.
  private static func awaited() -> sigset_t {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGINT)
    sigaddset(&signals, SIGTERM)
    if !isIgnored(SIGHUP) { sigaddset(&signals, SIGHUP) }
    return signals
  }

  private static func isIgnored(_ number: Int32) -> Bool {
    let before = signal(number, SIG_DFL)
    guard unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) else { return false }
    signal(number, SIG_IGN)
    return true
  }

  private static func wait() -> Never {
    var signals = awaited()
    var number: Int32 = 0
    while sigwait(&signals, &number) != 0 {}
    PendingOutputs.removeAll()
    let start = StandardStream.error.isTerminal ? "\n" : ""  // the cursor stands behind "^C", a progress bar or generated text
    StandardStream.error.write("\(start)lmtool: interrupted\n")
    _exit(128 + number)
  }
}
