import Kernels
import Tensors

/// The byte form of tables (`formats/rate.md`, RATE-7).
extension RateTables {
  /// The number of sets, then for each context of each set: the frequency of symbol 0, the first other symbol, how many symbols
  /// follow from there on, and their frequencies.
  public func encoded() -> [UInt8] {
    var bytes = [UInt8(sets.count)]
    for start in sets.flatMap({ set in
      stride(from: 0, to: set.count, by: RateKernel.symbols).map { set[$0..<($0 + RateKernel.symbols)] }
    }) {
      let frequencies = Array(start)
      let first = frequencies.dropFirst().firstIndex { $0 > 0 } ?? 1
      let last = frequencies.lastIndex { $0 > 0 } ?? 1
      bytes += Self.littleEndian(frequencies[0]) + [UInt8(first), UInt8(last - first + 1)]
      bytes += frequencies[first...last].flatMap(Self.littleEndian)
    }
    return bytes
  }

  private static func littleEndian(_ value: UInt16) -> [UInt8] { [UInt8(truncatingIfNeeded: value), UInt8(value >> 8)] }

  /// Reads what `encoded` wrote from the start of `bytes`, and removes it there.
  ///
  /// - Throws: `badInput` when the bytes end too early, or frequencies do not add up, leave an index without a code, or could be
  ///   written in fewer bytes (RATE-7).
  init(removingFrom bytes: inout ArraySlice<UInt8>) throws(LMToolError) {
    var sets: [[UInt16]] = []
    let count = Int(bytes.popFirst() ?? 0)
    guard (1...Self.maximumSets).contains(count) else {
      throw Self.damaged("there are \(count) table sets, not 1 to \(Self.maximumSets)")
    }
    for set in 0..<count {
      var frequencies: [UInt16] = []
      for context in 0..<RateKernel.contexts {
        guard let symbols = Self.context(&bytes), Self.isSound(symbols, isLengths: context == RateKernel.lengths) else {
          throw Self.damaged("the frequencies of context \(context) of set \(set) do not make a code")
        }
        frequencies += symbols
      }
      sets.append(frequencies)
    }
    self.init(checked: sets)
  }

  private static func context(_ bytes: inout ArraySlice<UInt8>) -> [UInt16]? {
    guard bytes.count >= 4 else { return nil }
    let head = Array(bytes.prefix(4))
    let first = Int(head[2])
    let count = Int(head[3])
    guard first >= 1, count >= 1, first + count <= RateKernel.symbols, bytes.count >= 4 + 2 * count else { return nil }
    let body = Array(bytes.dropFirst(4).prefix(2 * count))
    bytes.removeFirst(4 + 2 * count)
    var symbols = [UInt16](repeating: 0, count: RateKernel.symbols)
    symbols[0] = UInt16(head[0]) | UInt16(head[1]) << 8
    for index in 0..<count { symbols[first + index] = UInt16(body[2 * index]) | UInt16(body[2 * index + 1]) << 8 }
    return symbols[first] > 0 && symbols[first + count - 1] > 0 ? symbols : nil
  }

  /// Whether the frequencies add up to 4096 and every index has a code.
  private static func isSound(_ symbols: [UInt16], isLengths: Bool) -> Bool {
    let required = isLengths ? 0...RateKernel.longest : 0...0
    let allowed = isLengths ? required : 0...(RateKernel.symbols - 1)
    let sum = symbols.reduce(0) { $0 + Int($1) }
    return sum == RateKernel.total && symbols[required].allSatisfy { $0 > 0 }
      && symbols.enumerated().allSatisfy { $1 == 0 || allowed.contains($0) }
  }

  private static func damaged(_ message: String) -> LMToolError { LMToolError(.badInput, message, rule: "RATE-7") }
}
