#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The most memory that this process has ever held at once, in bytes, mapped files included; nil when the system does not say.
public func peakMemory() -> Int? {
  #if canImport(Glibc)
    // Not getrusage(2): its ru_maxrss goes back to before exec(2), so a large parent would be counted.
    guard let file = fopen("/proc/self/status", "r") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while let text = fgets(&line, Int32(line.count), file).map({ String(cString: $0) }) {
      if text.hasPrefix("VmHWM:") { return Int(text.filter(\.isNumber)).map { $0 * 1024 } }
    }
    return nil
  #else
    var usage = rusage()
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : nil
  #endif
}
