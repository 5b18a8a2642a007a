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

/// What libFuzzer calls first: writes the target's made seeds into the folder that LMTOOL_FUZZ_SEEDS names.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(_ count: OpaquePointer?, _ arguments: OpaquePointer?) -> Int32 {
  guard let folder = getenv("LMTOOL_FUZZ_SEEDS").map({ String(cString: $0) }) else { return 0 }
  do {
    for (index, seed) in try FuzzSeeds.of(target).enumerated() { try FuzzFile.write(seed, to: "\(folder)/made-\(index)") }
  } catch { fatalError("no seeds: \(error)") }
  return 0
}

/// What libFuzzer calls with every input; the environment names the target.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  target.run(Array(UnsafeBufferPointer(start: data, count: count)), scratch: file)
  return 0
}
