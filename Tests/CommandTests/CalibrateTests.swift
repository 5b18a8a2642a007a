import Kernels
import Tensors
import TestSupport
import Testing

/// `calibrate`, and what it is for: the same bytes on every number of threads and every instruction set, and warnings that are seen.
struct CalibrateTests {
  let scratch = TestFolder()

  private func run(_ arguments: [String], isa: String) throws {
    let process = try LMToolProcess(arguments: arguments + ["-q"], shell: "LMTOOL_ISA=\(isa); export LMTOOL_ISA; \"$0\" \"$@\"")
    #expect(process.readError() == "")
    #expect(process.exitStatus() == 0)
  }

  @Test func threadsAndInstructionSetsChangeNoByte() throws {
    let sets = InstructionSet.allCases.filter(\.isAvailable).map { "\($0)" }
    var calibrations: [[UInt8]] = [], codes: [[UInt8]] = []
    for (index, isa) in (sets + sets.suffix(1)).enumerated() {
      let threads = index == sets.count ? "3" : "\(index % 2 + 1)", saved = scratch.path("c\(index)"),
        model = scratch.path("q\(index)")
      try run(
        ["calibrate", stories, "-o", saved, "--tokens", "256", "--window", "64", "--seed", "5", "--threads", threads], isa: isa)
      try run(
        [
          "quantize", stories, "-o", model, "--scheme", "int4-g32", "--method", "gptq", "--calibration", saved, "--threads",
          threads,
        ],
        isa: isa)
      calibrations.append(try contents(saved))
      codes.append(try contents(model + "/model.safetensors"))
    }
    #expect(Set(calibrations).count == 1)
    #expect(Set(codes).count == 1)
  }

  @Test func theReportHasEveryMatrixAndTheWarnings() throws {
    let text = try scratch.write("short.txt", String(repeating: "One day, a cat saw a dog. ", count: 30))
    let outcome = try Outcome("calibrate", stories, "--text", text, "--json")
    #expect(outcome.status == 0 && outcome.error.contains("warning") && outcome.error.contains("tokens in windows"))
    let report = try outcome.report
    #expect(report["warnings"]?.array?.count == 1 && report["schema"]?.int == 1)
    let layers = try #require(report["layers"]?.array)
    #expect(
      layers.count == 5 && layers.allSatisfy { $0["matrices"]?.array?.count == 7 && $0["effective_ranks"]?.array?.count == 4 })
    #expect(report["sources"]?.array?.first?["name"]?.string == text)
  }

  @Test func badInputEndsWithItsStatusAndLeavesNothing() throws {
    let empty = try scratch.write("empty.txt", ""), saved = scratch.path("saved")
    #expect(try Outcome("calibrate", stories, "-o", saved, "--text", empty).failed(65, empty, "empty"))
    #expect(try Outcome("calibrate", stories, "-o", saved, "--text", scratch.path("none")).failed(66, "none"))
    #expect(try Outcome("calibrate", stories, "-o", saved, "--window", "100000").failed(64, "--window"))
    #expect(try Outcome("calibrate", stories, "-o", scratch.path("no/saved"), "--tokens", "64").failed(73, "does not exist"))
    let quantize = ["quantize", stories, "-o", scratch.path("q"), "--scheme", "int4-g32"]
    #expect(try Outcome(arguments: quantize + ["--text", empty]).status == 64)
    #expect(try Outcome(arguments: quantize + ["--method", "gptq", "--calibration", empty]).failed(65, empty))
    #expect(scratch.names == ["empty.txt"])
  }
}
