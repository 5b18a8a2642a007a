/// The state of the trellis with so many states after an index: rule RATE-1 of `formats/rate.md`, written once more.
public func nextTrellisState(_ state: Int, index: Int, states: Int) -> Int {
  let isOdd = index % 2 != 0
  switch states {
  case 8: return [[0, 2], [5, 7], [1, 3], [6, 4], [2, 0], [4, 6], [3, 1], [7, 5]][state][isOdd ? 1 : 0]
  case 16: return state / 2 ^ (state % 2 * 12) ^ (isOdd ? 2 : 0)
  case 32: return state / 2 ^ (state % 2 * 20) ^ (isOdd ? 2 : 0)
  case 64: return state / 2 ^ (state % 2 * 48) ^ (isOdd ? 10 : 0)
  case 128: return state / 2 ^ (state % 2 * 92) ^ (isOdd ? 53 : 0)
  default: return state / 2 ^ (state % 2 * 178) ^ (isOdd ? 79 : 0)
  }
}
