import Tensors

/// When to mention progress and in which words. Time is given from outside, so that this can be tested.
package struct ProgressMeter: Sendable {
  private var stage: String?
  private var stageStart = Duration.zero
  private var doneAtStart = 0
  private var done = 0
  private var lastDrawn: Duration?
  private var lastTenth = 0

  /// A meter that has seen nothing.
  package init() {}

  /// The line of a terminal of `width` columns, or nil when it is too early for one.
  package mutating func redraw(_ update: ProgressUpdate, at time: Duration, width: Int) -> String? {
    guard advance(update, to: time), time - (lastDrawn ?? .zero) >= .milliseconds(100) else { return nil }
    lastDrawn = time
    return line(update, at: time, width: width)
  }

  /// A line for a log when another tenth of the stage is done, or nil.
  package mutating func tenth(_ update: ProgressUpdate, at time: Duration) -> String? {
    guard advance(update, to: time), percent(update) / 10 > lastTenth else { return nil }
    lastTenth = percent(update) / 10
    return "\(update.stage) \(percent(update)) %\(pace(update, at: time))"
  }

  /// Notes the update; whether its stage has lasted for a second.
  private mutating func advance(_ update: ProgressUpdate, to time: Duration) -> Bool {
    if update.stage != stage {
      (stage, stageStart, doneAtStart, done, lastTenth) = (update.stage, time, update.done, update.done, 0)
    }
    done = max(done, update.done)  // updates of several threads may overtake each other
    return update.total > 0 && time - stageStart >= .seconds(1)
  }

  private func fraction(_ update: ProgressUpdate) -> Double { min(1, max(0, Double(done) / Double(max(1, update.total)))) }
  private func percent(_ update: ProgressUpdate) -> Int { Int(fraction(update) * 100) }

  private func line(_ update: ProgressUpdate, at time: Duration, width: Int) -> String {
    let percent = "\(self.percent(update)) %"
    let padding = String(repeating: " ", count: 6 - percent.count)
    let before = update.stage + " ", after = padding + percent + pace(update, at: time)
    let room = min(30, width - 1 - before.count - after.count - 2)
    guard room >= 5 else { return String((before + after).prefix(max(0, width - 1))) }
    let filled = Int(fraction(update) * Double(room))
    return before + "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: room - filled) + "]" + after
  }

  /// ", 12.3 MB/s, 0:42 left"; nothing while there is no rate.
  private func pace(_ update: ProgressUpdate, at time: Duration) -> String {
    let rate = Double(done - doneAtStart) / ((time - stageStart) / .seconds(1))
    guard rate > 0, rate.isFinite else { return "" }
    let left = Duration.seconds(min(1e9, Double(max(0, update.total - done)) / rate).rounded(.up))
    return Self.rate(rate, update.unit) + (done < update.total ? ", \(left.clock) left" : "")
  }

  private static func rate(_ rate: Double, _ unit: ProgressUpdate.Unit) -> String {
    switch unit {
    case .bytes: ", " + (rate / 1e6).fixed(1) + " MB/s"
    case .tokens, .tensors, .passes: ", " + rate.fixed(rate < 10 ? 1 : 0) + " \(unit.rawValue)/s"
    case .thousandths: ""
    }
  }
}
