import Tensors
import Testing
import lmtool

private func bytes(_ done: Int, of total: Int = 100_000_000, stage: String = "pack") -> ProgressUpdate {
  ProgressUpdate(stage: stage, done: done, total: total, unit: .bytes)
}

@Test func workShorterThanASecondIsNotMentioned() {
  var meter = ProgressMeter()
  #expect(meter.redraw(bytes(0), at: .zero, width: 80) == nil)
  #expect(meter.redraw(bytes(99_000_000), at: .milliseconds(999), width: 80) == nil)
  #expect(meter.tenth(bytes(100_000_000), at: .milliseconds(999)) == nil)
}

@Test func theLineHasBarRateAndTimeLeft() {
  var meter = ProgressMeter()
  _ = meter.redraw(bytes(0), at: .zero, width: 60)
  #expect(
    meter.redraw(bytes(25_000_000), at: .seconds(2), width: 60)
      == "pack [######..................]  25 %, 12.5 MB/s, 0:06 left")
}

@Test func theLineFitsTheTerminal() {
  for width in [0, 1, 20, 40, 60, 200] {
    var meter = ProgressMeter()
    _ = meter.redraw(bytes(0), at: .zero, width: width)
    let line = meter.redraw(bytes(25_000_000), at: .seconds(2), width: width)
    #expect((line?.count ?? .max) <= max(0, width - 1))
  }
}

@Test func theLineIsRedrawnTenTimesASecondAtMost() {
  var meter = ProgressMeter()
  _ = meter.redraw(bytes(0), at: .zero, width: 80)
  #expect(meter.redraw(bytes(1_000_000), at: .milliseconds(1500), width: 80) != nil)
  #expect(meter.redraw(bytes(2_000_000), at: .milliseconds(1599), width: 80) == nil)
  #expect(meter.redraw(bytes(3_000_000), at: .milliseconds(1600), width: 80) != nil)
}

@Test func aLogHasOneLineForEachTenth() {
  var meter = ProgressMeter()
  let lines = (0...1000).compactMap { meter.tenth(bytes($0 * 100_000), at: .milliseconds($0 * 20)) }
  #expect(lines.count == 10)
  #expect(lines.first == "pack 10 %, 5.0 MB/s, 0:18 left")
  #expect(lines.last == "pack 100 %, 5.0 MB/s")
}

@Test func piecesThatDifferHaveNoRate() {
  func training(_ done: Int) -> ProgressUpdate { ProgressUpdate(stage: "train", done: done, total: 1000, unit: .thousandths) }
  var meter = ProgressMeter()
  _ = meter.tenth(training(0), at: .zero)
  #expect(meter.tenth(training(250), at: .seconds(20)) == "train 25 %, 1:00 left")
  #expect(meter.tenth(training(1000), at: .seconds(80)) == "train 100 %")
}

@Test func updatesThatArriveLateDoNotTurnProgressBack() {
  var meter = ProgressMeter()
  _ = meter.tenth(bytes(0), at: .zero)
  #expect(meter.tenth(bytes(50_000_000), at: .seconds(2))?.hasPrefix("pack 50 %") == true)
  #expect(meter.tenth(bytes(40_000_000), at: .seconds(2)) == nil)
}

@Test func everyStageHasItsOwnSecondAndRate() {
  var meter = ProgressMeter()
  _ = meter.tenth(bytes(0), at: .zero)
  _ = meter.tenth(bytes(100_000_000), at: .seconds(5))
  #expect(meter.tenth(bytes(0, stage: "verify"), at: .seconds(6)) == nil)
  #expect(meter.tenth(bytes(20_000_000, stage: "verify"), at: .seconds(8)) == "verify 20 %, 10.0 MB/s, 0:08 left")
}

@Test func absurdCountsDoNoHarm() {
  var meter = ProgressMeter()
  _ = meter.tenth(bytes(0, of: 0), at: .zero)
  #expect(meter.tenth(bytes(5, of: 0), at: .seconds(3)) == nil)
  #expect(meter.tenth(bytes(500, of: 100), at: .seconds(3))?.hasPrefix("pack 100 %") == true)
}

@Test func clocksAreReadableAtAnyLength() {
  #expect(Duration.seconds(9).clock == "0:09")
  #expect(Duration.seconds(725).clock == "12:05")
  #expect(Duration.seconds(10_809).clock == "3:00:09")
}
