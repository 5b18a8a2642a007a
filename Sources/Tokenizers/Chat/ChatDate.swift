#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The moment that a chat template may write into a prompt (`strftime_now`).
///
/// Whoever measures gives a fixed one, so that the same input has the same bytes on any day.
public struct ChatDate: Sendable, Hashable {
  /// The year, such as 2024.
  public var year: Int
  /// The month, from 1.
  public var month: Int
  /// The day of the month, from 1.
  public var day: Int
  private var clock: (hour: Int, minute: Int, second: Int) { (seconds / 3600, seconds / 60 % 60, seconds % 60) }
  private var seconds: Int

  /// Makes a date; `seconds` counts from midnight.
  public init(year: Int, month: Int, day: Int, seconds: Int = 0) {
    (self.year, self.month, self.day, self.seconds) = (year, month, day, seconds)
  }

  /// The date that evaluation and calibration use: the one that Llama 3's template names where there is no clock.
  public static let fixed = ChatDate(year: 2024, month: 7, day: 26)

  /// The local date and time.
  public static func now() -> ChatDate {
    var seconds = time(nil)
    var parts = tm()
    localtime_r(&seconds, &parts)
    return ChatDate(
      year: Int(parts.tm_year) + 1900, month: Int(parts.tm_mon) + 1, day: Int(parts.tm_mday),
      seconds: Int(parts.tm_hour) * 3600 + Int(parts.tm_min) * 60 + min(Int(parts.tm_sec), 59))
  }

  private static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
  ]
  private static let weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]

  /// The days from 1 March of the year 0 of the Gregorian calendar.
  private var dayNumber: Int {
    let (year, month) = month > 2 ? (self.year, self.month - 3) : (self.year - 1, self.month + 9)
    return 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1
  }

  private var weekday: Int { (dayNumber + 3) % 7 }
  private var dayOfYear: Int { dayNumber - ChatDate(year: year, month: 1, day: 1).dayNumber + 1 }

  /// The date by C's `strftime` in the C locale.
  ///
  /// - Throws: TPL-5 for a directive that is not known.
  func formatted(_ format: String) throws(JinjaFailure) -> String {
    var result = ""
    var rest = Array(format)[...]
    while let character = rest.popFirst() {
      guard character == "%" else {
        result.append(character)
        continue
      }
      guard var directive = rest.popFirst() else { throw JinjaFailure(.values, "a date format ends in %") }
      let dropsZero = directive == "-"
      if dropsZero, let next = rest.popFirst() { directive = next }
      let text = try part(directive)
      result += dropsZero && text.count > 1 && text.hasPrefix("0") ? String(text.drop { $0 == "0" }) : text
    }
    return result
  }

  private func part(_ directive: Character) throws(JinjaFailure) -> String {
    func padded(_ number: Int, _ width: Int = 2) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    switch directive {
    case "Y": return String(year)
    case "y": return padded(year % 100)
    case "m": return padded(month)
    case "d": return padded(day)
    case "e": return (day < 10 ? " " : "") + String(day)
    case "j": return padded(dayOfYear, 3)
    case "B": return Self.months[(month - 1) % 12]
    case "b", "h": return String(Self.months[(month - 1) % 12].prefix(3))
    case "A": return Self.weekdays[weekday]
    case "a": return String(Self.weekdays[weekday].prefix(3))
    case "w": return String(weekday)
    case "H": return padded(clock.hour)
    case "I": return padded((clock.hour + 11) % 12 + 1)
    case "M": return padded(clock.minute)
    case "S": return padded(clock.second)
    case "p": return clock.hour < 12 ? "AM" : "PM"
    case "F": return String(year) + "-" + padded(month) + "-" + padded(day)
    case "T": return padded(clock.hour) + ":" + padded(clock.minute) + ":" + padded(clock.second)
    case "%": return "%"
    default: throw JinjaFailure(.values, "the date format %\(directive) is not supported")
    }
  }
}
