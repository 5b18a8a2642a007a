import Synchronization
import Tensors

/// Draws progress on standard error: on a terminal one line, redrawn at most ten times a second; elsewhere a line for each tenth.
/// Work that is done within a second is not mentioned.
final class ProgressBar: Sendable {
  private let stream: StandardStream
  private let clock = ContinuousClock()
  private let start: ContinuousClock.Instant
  private let state = Mutex(State())

  private struct State {
    var meter = ProgressMeter()
    var isDrawn = false
    var isFinished = false
  }

  init(_ stream: StandardStream) {
    self.stream = stream
    start = clock.now
  }

  /// Shows how far the work has come; any thread may call.
  func show(_ update: ProgressUpdate) {
    let time = clock.now - start
    state.withLock { state in
      guard !state.isFinished else { return }
      if stream.isTerminal {
        guard let line = state.meter.redraw(update, at: time, width: stream.width) else { return }
        state.isDrawn = true
        stream.write("\r\(line)\u{1B}[K")
      } else if let line = state.meter.tenth(update, at: time) {
        stream.write(line + "\n")
      }
    }
  }

  /// Removes the line.
  func finish() {
    state.withLock { state in
      if state.isDrawn && !state.isFinished { stream.write("\r\u{1B}[K") }
      state.isFinished = true
    }
  }
}
