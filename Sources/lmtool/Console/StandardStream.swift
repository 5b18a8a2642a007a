import Synchronization
import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Standard output or standard error, written without a buffer: what is printed is there at once.
///
/// A reader that goes away (`lmtool inspect ... | head`) is no failure: what follows is dropped and the command goes on to its
/// own end. Any other failure is kept in `failure`, for the exit status.
package final class StandardStream: Sendable {
  /// Results.
  package static let output = StandardStream(descriptor: STDOUT_FILENO, name: "standard output")
  /// Diagnostics and progress.
  package static let error = StandardStream(descriptor: STDERR_FILENO, name: "standard error")

  /// Whether a terminal shows it.
  package let isTerminal: Bool
  /// Whether colours are welcome: a terminal, and no `NO_COLOR` (<https://no-color.org>).
  package let isColored: Bool
  private let descriptor: Int32
  private let name: String
  private let state = Mutex(State())

  private struct State {
    var isOpen = true
    var failure: LMToolError?
  }

  /// A stream on an open descriptor; `name` is what errors call it.
  package init(descriptor: Int32, name: String) {
    self.descriptor = descriptor
    self.name = name
    isTerminal = isatty(descriptor) == 1
    isColored = isTerminal && !Self.isSet("NO_COLOR") && getenv("TERM").map { String(cString: $0) } != "dumb"
  }

  /// The columns of the terminal; 80 where nobody knows.
  package var width: Int {
    var size = winsize()
    return ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
  }

  /// What kept the text from being written, a departed reader aside.
  package var failure: LMToolError? { state.withLock { $0.failure } }

  /// Writes the text now; false when nobody reads any more.
  @discardableResult package func write(_ text: String) -> Bool {
    var text = text
    return state.withLock { state in
      guard state.isOpen else { return false }
      if let error = text.withUTF8({ send(UnsafeRawBufferPointer($0)) }) {
        state.isOpen = false
        if error != EPIPE { state.failure = failure(error) }
      }
      return state.isOpen
    }
  }

  /// Writes all bytes; the number of the error that stopped it, if one did.
  private func send(_ bytes: UnsafeRawBufferPointer) -> Int32? {
    var done = 0
    while done < bytes.count, let base = bytes.baseAddress {
      let count = system.write(descriptor, base + done, bytes.count - done)
      if count > 0 {
        done += count
      } else if errno != EINTR {
        return errno
      }
    }
    return nil
  }

  private func failure(_ number: Int32) -> LMToolError {
    LMToolError(.inputOutput, "cannot write to \(name): \(String(cString: strerror(number)))")
  }

  private static func isSet(_ variable: String) -> Bool { getenv(variable).map { $0.pointee != 0 } ?? false }

  /// `write(2)`, out of the way of the method of that name.
  private enum system {
    static func write(_ descriptor: Int32, _ base: UnsafeRawPointer, _ size: Int) -> Int {
      #if canImport(Glibc)
        Glibc.write(descriptor, base, size)
      #else
        Darwin.write(descriptor, base, size)
      #endif
    }
  }
}
