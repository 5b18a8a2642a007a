extension JinjaInterpreter {
  /// A value as `{{ }}` writes it: Python's `str`.
  func text(of value: JinjaValue) throws(JinjaFailure) -> JinjaText {
    switch value {
    case .undefined: return JinjaText()
    case .text(let text): return text
    default:
      var result = JinjaText()
      try represent(value, &result)
      return result
    }
  }

  /// Adds a value as it stands in a printed list: Python's `repr`.
  func represent(_ value: JinjaValue, _ result: inout JinjaText) throws(JinjaFailure) {
    try spend(length: result.count)
    switch value {
    case .undefined: result.append("Undefined")
    case .none: result.append("None")
    case .bool(let value): result.append(value ? "True" : "False")
    case .int(let value): result.append(String(value))
    case .float(let value): result.append(JinjaNumber.text(of: value))
    case .text(let text): quote(try checked(text), &result)
    case .sequence(let sequence): try represent(sequence, &result)
    case .mapping(let mapping): try represent(mapping, &result)
    case .iterator, .namespace, .loop, .callable:
      throw JinjaFailure(.values, "a '\(value.typeName)' object cannot be written as text")
    }
  }

  private func represent(_ sequence: JinjaSequence, _ result: inout JinjaText) throws(JinjaFailure) {
    let (start, end) =
      switch sequence.kind {
      case .list: ("[", "]")
      case .tuple: ("(", sequence.items.count == 1 ? ",)" : ")")
      case .range: ("[", "]")
      case .keys, .values, .items: (sequence.kind.rawValue + "([", "])")
      }
    result.append(start)
    for (index, item) in sequence.items.enumerated() {
      if index > 0 { result.append(", ") }
      try represent(item, &result)
    }
    result.append(end)
  }

  private func represent(_ mapping: JinjaMapping, _ result: inout JinjaText) throws(JinjaFailure) {
    result.append("{")
    for (index, entry) in mapping.entries.enumerated() {
      if index > 0 { result.append(", ") }
      try represent(entry.key, &result)
      result.append(": ")
      try represent(entry.value, &result)
    }
    result.append("}")
  }

  /// A text in quotes, with Python's escapes.
  private func quote(_ text: JinjaText, _ result: inout JinjaText) {
    let hasSingle = text.units.contains { JinjaText.value($0) == 39 }
    let hasDouble = text.units.contains { JinjaText.value($0) == 34 }
    let quote = hasSingle && !hasDouble ? "\"" : "'"
    result.append(quote)
    for unit in text.units {
      let scalar = JinjaText.scalar(unit)
      switch scalar {
      case "\\": result.append("\\\\", markedAs: unit)
      case "\n": result.append("\\n", markedAs: unit)
      case "\r": result.append("\\r", markedAs: unit)
      case "\t": result.append("\\t", markedAs: unit)
      case "'" where quote == "'": result.append("\\'", markedAs: unit)
      case _ where scalar.isPrintable: result.append(unit: unit)
      default: result.append(Self.escape(scalar), markedAs: unit)
      }
    }
    result.append(quote)
  }

  private static func escape(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16)
    let (prefix, width) = scalar.value < 0x100 ? ("\\x", 2) : scalar.value < 0x10000 ? ("\\u", 4) : ("\\U", 8)
    return prefix + String(repeating: "0", count: width - digits.count) + digits
  }
}

extension Unicode.Scalar {
  /// Whether Python prints it as it is.
  fileprivate var isPrintable: Bool {
    switch properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    case .spaceSeparator: self == " "
    default: true
    }
  }
}

/// Floating-point numbers as Python writes them.
enum JinjaNumber {
  /// The shortest digits that give the number again, with an exponent below 1e-4 and from 1e16 on.
  static func text(of value: Double) -> String {
    guard value.isFinite else { return value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }
    let (digits, exponent) = shortest(value.magnitude)
    let sign = value.sign == .minus ? "-" : ""
    if value == 0 { return sign + "0.0" }
    if exponent < -4 || exponent >= 16 {
      let fraction = digits.count > 1 ? "." + digits.dropFirst() : ""
      let magnitude = String(exponent.magnitude)
      return sign + digits.prefix(1) + fraction + "e" + (exponent < 0 ? "-" : "+") + (magnitude.count < 2 ? "0" : "") + magnitude
    }
    if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits }
    let padded = digits + String(repeating: "0", count: max(0, exponent + 2 - digits.count))
    return sign + padded.prefix(exponent + 1) + "." + padded.dropFirst(exponent + 1)
  }

  /// The digits of a number without its zeros, and the power of ten of the first one.
  private static func shortest(_ value: Double) -> (digits: String, exponent: Int) {
    let parts = value.description.split(separator: "e")
    let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    let whole = String(mantissa[0])
    let all = whole + (mantissa.count > 1 ? mantissa[1] : "")
    let significant = all.drop { $0 == "0" }
    let exponent = (parts.count > 1 ? Int(parts[1]) ?? 0 : 0) + whole.count - 1 - (all.count - significant.count)
    var digits = String(significant)
    while digits.hasSuffix("0") { digits.removeLast() }
    return (digits.isEmpty ? "0" : digits, exponent)
  }

  /// A number with `places` digits after the point, rounded half to even as C's `%f` does on the exact value.
  static func fixed(_ value: Double, places: Int) -> String {
    guard value.isFinite else { return text(of: value) }
    var digits = exactDigits(value.magnitude, places: places)
    if places > 0 {
      digits = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
      digits = digits.dropLast(places) + "." + digits.suffix(places)
    }
    return (value.sign == .minus ? "-" : "") + digits
  }

  /// The digits of round(value x 10^places), from the exact binary value.
  private static func exactDigits(_ value: Double, places: Int) -> String {
    // value = significand x 2^shift; decimal digits are made by long multiplication and halving.
    var digits = decimalDigits(value.significandBitPattern | (value.isNormal ? 1 << 52 : 0))
    let shift = (value.isNormal ? Int(value.exponentBitPattern) : 1) - 1075
    for _ in 0..<max(shift, 0) { digits = doubled(digits) }
    digits += [UInt8](repeating: 0, count: places)
    var isInexact = false
    for step in 0..<max(-shift, 0) {
      let isLast = step == -shift - 1
      let odd = halve(&digits)
      guard odd else { continue }
      // What falls off before the last halving only breaks ties.
      if isLast, isInexact || (digits.last ?? 0) % 2 == 1 { digits = incremented(digits) }
      isInexact = true
    }
    let text = digits.drop { $0 == 0 }.map { String($0) }.joined()
    return text.isEmpty ? "0" : text
  }

  private static func decimalDigits(_ value: UInt64) -> [UInt8] { String(value).utf8.map { $0 - 48 } }

  private static func doubled(_ digits: [UInt8]) -> [UInt8] {
    var result = digits
    var carry: UInt8 = 0
    for index in result.indices.reversed() {
      let value = result[index] * 2 + carry
      (result[index], carry) = (value % 10, value / 10)
    }
    return carry > 0 ? [carry] + result : result
  }

  /// Halves a number; whether it was odd.
  private static func halve(_ digits: inout [UInt8]) -> Bool {
    var carry: UInt8 = 0
    for index in digits.indices {
      let value = carry * 10 + digits[index]
      (digits[index], carry) = (value / 2, value % 2)
    }
    return carry == 1
  }

  private static func incremented(_ digits: [UInt8]) -> [UInt8] {
    var result = digits
    for index in result.indices.reversed() {
      if result[index] < 9 {
        result[index] += 1
        return result
      }
      result[index] = 0
    }
    return [1] + result
  }
}
