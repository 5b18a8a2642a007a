#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

private let target: FuzzTarget = {
  let name = getenv("LMTOOL_FUZZ_TARGET").map { String(cString: $0) } ?? ""
  guard let target = FuzzTarget(rawValue: name) else {
    fatalError("LMTOOL_FUZZ_TARGET must be one of \(FuzzTarget.allCases.map(\.rawValue).joined(separator: ", "))")
  }
  return target
}()
private let file = FuzzFile()

/// What libFuzzer calls with every input; the environment names the target.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  target.run(Array(UnsafeBufferPointer(start: data, count: count)), scratch: file)
  return 0
}
