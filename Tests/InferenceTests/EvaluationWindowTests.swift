import Inference
import Tensors
import TestSupport
import Testing

/// How a text is cut into windows.
struct EvaluationWindowTests {
  /// How often each position is scored, and every window checked for its size.
  private func scores(count: Int, window: Int, stride: Int, hasBOS: Bool) -> [Int] {
    var scores = [Int](repeating: 0, count: count)
    let options = EvaluationOptions(window: window, stride: stride)
    for part in Evaluation.windows(count: count, options: options, hasBOS: hasBOS) {
      #expect(part.tokens.count + (hasBOS ? 1 : 0) <= window)
      #expect(part.tokens.contains(part.scoredFrom))
      #expect(hasBOS || part.scoredFrom > part.tokens.lowerBound, "a token needs one before it")
      for position in part.scoredFrom..<part.tokens.upperBound { scores[position] += 1 }
    }
    return scores
  }

  @Test(arguments: 2...9) func withBOSEveryTokenIsScoredOnce(window: Int) {
    for stride in 1...window {
      for count in 0...40 {
        #expect(scores(count: count, window: window, stride: stride, hasBOS: true) == [Int](repeating: 1, count: count))
      }
    }
  }

  @Test(arguments: 2...9) func withoutBOSAllButTheFirstAreScoredOnce(window: Int) {
    for stride in 1..<window {
      for count in 1...40 {
        let expected = [0] + [Int](repeating: 1, count: count - 1)
        #expect(scores(count: count, window: window, stride: stride, hasBOS: false) == expected)
      }
    }
  }

  @Test func windowsThatDoNotOverlapLeaveOutTheirFirst() {
    for count in 0...40 {
      let expected = (0..<count).map { $0 % 5 == 0 ? 0 : 1 }
      #expect(scores(count: count, window: 5, stride: 5, hasBOS: false) == expected)
    }
  }

  @Test func theNumberOfWindowsIsKept() {
    let options = EvaluationOptions(window: 4, stride: 2, maximumWindows: 3)
    let windows = Evaluation.windows(count: 100, options: options, hasBOS: false)
    #expect(windows.map(\.tokens) == [0..<4, 2..<6, 4..<8])
    #expect(windows.map(\.scoredFrom) == [1, 4, 6])
  }

  @Test func meaninglessOptionsAreRefused() {
    let bad = [
      EvaluationOptions(window: 1), EvaluationOptions(window: 8, stride: 0), EvaluationOptions(window: 8, stride: 9),
      EvaluationOptions(maximumWindows: 0),
    ]
    for options in bad { expectFailure(.usage) { try options.validate() } }
    #expect(throws: Never.self) { try EvaluationOptions().validate() }
  }
}
