/// How much continuations repeat themselves.
enum Repetition {
  /// The share of runs of `length` tokens that their continuation had before (seq-rep-n of Welleck et al. 2019, over all continuations).
  static func share(of continuations: [[Int32]], length: Int = 4) -> Double {
    var runs = 0, different = 0
    for tokens in continuations where tokens.count >= length {
      let all = (0...tokens.count - length).map { tokens[$0..<$0 + length] }
      runs += all.count
      different += Set(all).count
    }
    return runs == 0 ? 0 : 1 - Double(different) / Double(runs)
  }

  /// The share of runs of `length` tokens that are different, of all continuations together (distinct-n of Li et al. 2016).
  static func distinct(_ continuations: [[Int32]], length: Int = 2) -> Double {
    let all = continuations.filter { $0.count >= length }.flatMap { tokens in
      (0...tokens.count - length).map { tokens[$0..<$0 + length] }
    }
    return all.isEmpty ? 0 : Double(Set(all).count) / Double(all.count)
  }
}
