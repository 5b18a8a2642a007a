import Tensors
import Testing
import lmtool

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A pipe whose ends are closed with it.
private final class Pipe {
  let input: Int32, output: Int32
  private var isReadable = true

  init() {
    signal(SIGPIPE, SIG_IGN)
    var ends: [Int32] = [0, 0]
    _ = pipe(&ends)
    (output, input) = (ends[0], ends[1])
  }

  deinit {
    closeReader()
    close(input)
  }

  func closeReader() {
    if isReadable { close(output) }
    isReadable = false
  }

  func read() -> String {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = bytes.withUnsafeMutableBytes { buffer in
      #if canImport(Glibc)
        Glibc.read(output, buffer.baseAddress, buffer.count)
      #else
        Darwin.read(output, buffer.baseAddress, buffer.count)
      #endif
    }
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
  }
}

private struct Report: Encodable {
  var perplexity = 3.25
}

@Test func piecesArePassedOnAtOnceAndUnchanged() {
  let pipe = Pipe()
  let console = Console(output: StandardStream(descriptor: pipe.input, name: "test"))
  #expect(console.stream("Once \u{7}upon"))
  #expect(pipe.read() == "Once \u{7}upon")
}

@Test func aReaderThatGoesAwayIsNoFailure() {
  let pipe = Pipe()
  let stream = StandardStream(descriptor: pipe.input, name: "test")
  pipe.closeReader()
  #expect(!Console(output: stream).stream("text"))
  #expect(stream.failure == nil)
}

@Test func otherFailuresOfWritingAreKept() {
  let stream = StandardStream(descriptor: -1, name: "standard output")
  Console(output: stream).print("text")
  #expect(stream.failure?.code == .inputOutput)
  #expect(stream.failure?.message.hasPrefix("cannot write to standard output: ") == true)
}

@Test func aQuietConsoleShowsResultsOnly() {
  let results = Pipe(), diagnostics = Pipe()
  let console = Console(
    isQuiet: true, output: StandardStream(descriptor: results.input, name: "out"),
    error: StandardStream(descriptor: diagnostics.input, name: "err"))
  console.note("note")
  console.warn("warning")
  console.withProgress { #expect($0 == nil) }
  console.print("result")
  #expect(results.read() == "result\n")
  StandardStream(descriptor: diagnostics.input, name: "err").write("end")
  #expect(diagnostics.read() == "end")
}

@Test func reportsCarryTheVersionOfTheirSchema() throws {
  let pipe = Pipe()
  try Console(output: StandardStream(descriptor: pipe.input, name: "test")).print(json: Report(), schema: 2)
  #expect(pipe.read() == "{\n  \"perplexity\" : 3.25,\n  \"schema\" : 2\n}\n")
}
