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

/// Memory that a program could have now without others being pushed out, in bytes, no more than what its control group allows; nil when the
/// system does not say.
public func availableMemory() -> Int? {
  #if canImport(Glibc)
    guard let file = fopen("/proc/meminfo", "r") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while let text = fgets(&line, Int32(line.count), file).map({ String(cString: $0) }) {
      guard text.hasPrefix("MemAvailable:") else { continue }
      return Int(text.filter(\.isNumber)).map { min($0 * 1024, groupMemory() ?? Int.max) }
    }
    return nil
  #else
    var size: UInt64 = 0, length = MemoryLayout<UInt64>.size
    return sysctlbyname("hw.memsize", &size, &length, nil, 0) == 0 ? Int(size) : nil
  #endif
}

#if canImport(Glibc)
  /// What the control group (version 2) of a container allows; what it holds already is not subtracted, caches being part of that.
  private func groupMemory() -> Int? {
    guard let file = fopen("/sys/fs/cgroup/memory.max", "r") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 64)
    return fgets(&line, Int32(line.count), file).flatMap { Int(String(cString: $0).filter { !$0.isNewline }) }
  }
#endif
