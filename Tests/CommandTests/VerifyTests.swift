import Checkpoints
import Kernels
import Tensors
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// `verify`, `export` and `sign` by their commands: certificates, pages and signatures.
struct VerifyTests {
  let scratch = TestFolder()

  /// The model of the repository with its certificate.
  private func certified(_ more: String...) throws -> String {
    let path = scratch.path("model.lmz")
    try #require(try Outcome(arguments: ["export", stories, "-o", path, "--quiet"] + more).status == 0)
    return path
  }

  @Test func aCertificateIsReadInWords() throws {
    let path = try certified(), outcome = try Outcome("verify", path, "--min-grade", "a")
    #expect(outcome.status == 0 && outcome.output.hasSuffix("PASS\n"), "\(outcome.output)")
    for word in ["every figure reproduced", "bits per byte", "KL, mean", "seq-rep-4", "coherent", "fidelity", "fidelity A"] {
      #expect(outcome.output.contains(word), "\(word)")
    }
    #expect(try !Outcome("verify", path, "--quick").output.contains("KL, mean"))
    #expect(try Outcome("verify", path, "--quick", "--min-grade", "A").status == 64)
    #expect(try Outcome("verify", path, "--min-grade", "F").status == 64)
  }

  @Test func aGradeThatIsNotReachedIsTheAnswerNo() throws {
    let (quantized, path) = (scratch.path("quantized"), scratch.path("model.lmz"))
    #expect(
      try Outcome("quantize", stories, "-o", quantized, "--scheme", "int4-g32", "--embedding-scheme", "int4-g32").status == 0)
    #expect(try Outcome("export", quantized, "-o", path, "--original", stories).status == 0)
    #expect(try Outcome("verify", path).status == 0)
    let outcome = try Outcome("verify", path, "--min-grade", "B")
    #expect(outcome.status == 1 && outcome.output.contains("worse than B") && outcome.output.hasSuffix("FAIL\n"))
  }

  @Test func withoutItsOriginalAQuantizedModelHasNoCertificate() throws {
    let (quantized, path) = (scratch.path("quantized"), scratch.path("model.lmz"))
    #expect(try Outcome("quantize", stories, "-o", quantized, "--scheme", "int8-g32").status == 0)
    let outcome = try Outcome("export", quantized, "-o", path)
    #expect(outcome.status == 0 && outcome.error.contains("there is no certificate") && outcome.error.contains("--original"))
    #expect(try Outcome("verify", path, "--json").report["quality"] == nil)
    let measured = try Outcome("verify", path, "--against", stories, "--min-grade", "A", "--json")
    #expect(measured.status == 0)
    #expect(try measured.report["quality"]?["fidelity"]?.string == "A")
  }

  @Test func theReportHasEveryTextAndAnswer() throws {
    let path = try certified("--probe", Fixtures.path("texts/tinystories.txt")), page = scratch.path("page.html")
    let outcome = try Outcome("verify", path, "--against", stories, "--json", "--html", page)
    #expect(outcome.status == 0)
    let report = try outcome.report, quality = try #require(report["quality"])
    #expect(report["schema"]?.int == 1 && report["passed"]?.bool == true && quality["fidelity"]?.string == "A")
    let probes = try #require(quality["details"]?["probes"]?.array), answers = try #require(quality["details"]?["answers"]?.array)
    #expect(probes.count == 5 && probes.last?["name"]?.string == "tinystories.txt" && answers.count == 4)
    #expect(probes.allSatisfy { $0["positions"]?.array?.count == $0["divergences"]?.array?.count })
    let text = String(decoding: try contents(page), as: UTF8.self), markup = Markup(text)
    #expect(markup.problem == nil && markup.elements.count { $0 == "svg" } == 6)
    for word in ["PASS", "Once upon a time", "little girl", "Distribution of KL", "tinystories.txt"] {
      #expect(text.contains(word), "\(word)")
    }
  }

  /// The same verdict and figures on any number of threads and instruction set (CERT-13).
  @Test func theRecordIsReproducedOnEveryProcessor() throws {
    let path = try certified()
    let sets = [InstructionSet.reference, .avx2, .avx512, .neon].filter(\.isAvailable).map { "\($0)" }
    var outputs: Set<String> = []
    for (threads, isa) in [("1", ""), ("2", "")] + sets.map({ ("2", $0) }) {
      let process = try LMToolProcess(
        arguments: ["verify", path, "--json", "--threads", threads, "--quiet"], shell: "LMTOOL_ISA=\(isa) exec \"$0\" \"$@\"")
      outputs.insert(process.readOutput())
      #expect(process.exitStatus() == 0, "\(threads) threads, \(isa)")
    }
    #expect(outputs.count == 1)
  }

  @Test func theSameRecordIsMadeOnEveryProcessor() throws {  // CERT-15
    var files: [[UInt8]] = []
    for (threads, isa) in [("1", ""), ("2", ""), ("2", "reference")] {
      let path = scratch.path("a\(files.count).lmz")
      let process = try LMToolProcess(
        arguments: ["export", stories, "-o", path, "--threads", threads, "--quiet"], shell: "LMTOOL_ISA=\(isa) exec \"$0\" \"$@\""
      )
      #expect(process.exitStatus() == 0)
      files.append(try contents(path))
    }
    #expect(files[0] == files[1] && files[0] == files[2])
  }

  @Test func anIncoherentFileIsTheAnswerNoOfCompress() throws {
    let path = scratch.path("a.lmz"),
      arguments = ["compress", stories, "-o", path, "--budget", "25kB", "--tokens", "2048", "--quiet"]
    let outcome = try Outcome(arguments: arguments)
    #expect(
      outcome.status == 1 && outcome.output.contains("coherence") && outcome.output.hasSuffix("FAIL\n"), "\(outcome.output)")
    #expect(try Outcome(arguments: arguments + ["--no-certificate"]).status == 0)
  }

  @Test func filesOfOtherFormatsAreVerified() throws {
    let gguf = scratch.path("model.gguf")
    #expect(try Outcome("export", stories, "-o", gguf).status == 0)
    let outcome = try Outcome("verify", gguf)
    #expect(outcome.status == 0 && outcome.output.contains("every element finite") && outcome.output.contains("none in the file"))
    var cut = try contents(gguf)
    cut.removeLast(1000)
    #expect(try Outcome("verify", try scratch.write("cut.gguf", cut)).status == 1)
    #expect(try Outcome("verify", scratch.path("none.gguf")).status == 66)
  }

  @Test func whoSignedIsTold() throws {
    let path = try certified(), key = scratch.path("me.pem"), other = scratch.path("other.pem"),
      signed = scratch.path("signed.lmz")
    for name in [key, other] { #expect(try Outcome("sign", "--make-key", name).status == 0) }
    #expect(try Outcome("sign", "--make-key", key).failed(73, "it exists"))
    var status = stat()
    #expect(stat(key, &status) == 0 && status.st_mode & 0o777 == 0o600)
    #expect(try Outcome("verify", path, "--quick", "--key", key + ".pub").status == 1)
    let outcome = try Outcome("sign", path, "--key", key, "-o", signed)
    #expect(outcome.status == 0 && outcome.error.contains("signed by"))
    #expect(try Outcome("verify", signed, "--key", key + ".pub").output.contains("signed by"))
    #expect(try Outcome("verify", signed, "--key", key + ".pub").status == 0)
    #expect(try Outcome("verify", signed, "--quick").output.contains("whoever that is"))
    let wrong = try Outcome("verify", signed, "--quick", "--key", other + ".pub")
    #expect(wrong.status == 1 && wrong.output.contains("not signed by"))
    #expect(try Outcome("verify", signed, "--quick", "--key", signed).failed(65, "key"))
    #expect(try Outcome("sign", path, "--key", key, "-o", path).failed(64, "input itself"))
    #expect(try Outcome("sign", path, "--key", key).status == 64)
  }
}
