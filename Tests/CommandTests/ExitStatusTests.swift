import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@Test func helpIsAResult() throws {
  let process = try LMToolProcess("--help")
  #expect(process.readOutput().contains("USAGE: lmtool"))
  #expect(process.readError() == "")
  #expect(process.exitStatus() == 0)
}

@Test func misuseEndsWith64() throws {
  let process = try LMToolProcess("--no-such-option")
  #expect(process.readOutput() == "")
  #expect(process.readError().hasPrefix("lmtool: error: "))
  #expect(process.exitStatus() == 64)
}

@Test func senselessSamplingIsMisuse() throws {
  let process = try LMToolProcess("run", stories, "--top-p", "0")
  #expect(process.readError().contains("--top-p must be above 0 and at most 1"))
  #expect(process.exitStatus() == 64)
}

@Test func aMissingModelEndsWith66() throws {
  let process = try LMToolProcess("inspect", Fixtures.path("no-such-model"))
  #expect(process.readError().hasPrefix("lmtool: error: \(Fixtures.path("no-such-model")): "))
  #expect(process.exitStatus() == 66)
}

@Test func whatIsNoModelEndsWith65() throws {
  let process = try LMToolProcess("inspect", Fixtures.path("stories260K/README.md"))
  #expect(process.readError().contains("not a model"))
  #expect(process.exitStatus() == 65)
}

@Test(arguments: [SIGINT, SIGTERM])
func aSignalEndsTheConversation(number: Int32) throws {
  let process = try LMToolProcess("chat", stories, "--template", "alpaca", "--max-tokens", "3", "--quiet")
  process.type("Once upon a time")
  #expect(process.readLine().hasSuffix("\n"))  // it answered, and waits for the next line
  process.signal(number)
  #expect(process.exitStatus() == 128 + number)
  #expect(process.readError() == "lmtool: interrupted\n")
}
