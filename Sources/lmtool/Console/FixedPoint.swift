#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension Double {
  /// The number with so many digits after the point: 2.345 with two is "2.35" or "2.34", whichever is nearer.
  package func fixed(_ digits: Int) -> String {
    guard isFinite else { return isNaN ? "nan" : self < 0 ? "-inf" : "inf" }
    var text = [CChar](repeating: 0, count: 400)
    let length = withVaList([Int32(clamping: min(max(0, digits), 30)), self]) { vsnprintf(&text, text.count, "%.*f", $0) }
    return String(decoding: text.prefix(Int(max(0, length))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

extension Duration {
  /// "0:42", "12:05", "3:00:09".
  package var clock: String {
    let total = Int(clamping: components.seconds)
    let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60)
    func padded(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return hours > 0 ? "\(hours):\(padded(minutes)):\(padded(seconds))" : "\(minutes):\(padded(seconds))"
  }
}
