import Artifacts
import Quantization
import Tensors
import TestSupport
import Testing

struct WriterRefusalTests {
  private func failure(_ body: (ArtifactWriter) throws(LMToolError) -> Void) -> LMToolError? {
    let scratch = TestFolder()
    do throws(LMToolError) {
      let writer = try ArtifactWriter(path: scratch.path("x.lmz"))
      try body(writer)
      try writer.finish(ArtifactDescription(lmtool: "", config: .null, provenance: .init(sources: [], recipe: .null)))
    } catch { return error }
    return nil
  }

  /// Rule LMZ-12.
  @Test func elementsThatAreNotFiniteAreRefusedByNameAndIndex() {
    for poison in [Float.nan, .infinity, -.infinity] {
      let tensor = FloatTensor(name: "norm", shape: [3], floats: [1, 2, poison])
      let error = failure { (writer) throws(LMToolError) in try writer.add(tensor, as: .bf16) }
      #expect(error?.rule == "LMZ-12" && error?.place == .tensor("norm"))
      #expect(error?.message.contains("element 2") == true)
    }
  }

  /// Rule LMZ-12.
  @Test func elementsThatOverflowF16AreRefused() {
    let tensor = FloatTensor(name: "norm", shape: [2], floats: [65504, 65520])
    #expect(failure { (writer) throws(LMToolError) in try writer.add(tensor, as: .f16) }?.rule == "LMZ-12")
    #expect(failure { (writer) throws(LMToolError) in try writer.add(tensor, as: .f32) } == nil)
  }

  /// Rule LMZ-11.
  @Test func integerTypesAreRefused() {
    let tensor = FloatTensor(name: "ids", shape: [1], floats: [1])
    let error = failure { (writer) throws(LMToolError) in try writer.add(tensor, as: .i32) }
    #expect(error?.rule == "LMZ-11" && error?.code == .usage)
  }

  /// Rule LMZ-11.
  @Test func namesTwiceEmptyTooLongOrWithControlCharactersAreRefused() throws {
    let matrix = try grid([1, 32], "int8-row")
    for names in [["a", "a"], [""], [String(repeating: "x", count: 513)], ["a\u{1B}[31m"]] {
      let error = failure { (writer) throws(LMToolError) in
        for name in names { try writer.add(name, matrix) }
      }
      #expect(error?.rule == "LMZ-11")
    }
  }

  /// Rule LMZ-15.
  @Test func aTokenizerThatIsNoBlobIsRefused() throws {
    let scratch = TestFolder()
    let writer = try ArtifactWriter(path: scratch.path("x.lmz"))
    #expect {
      try writer.finish(
        ArtifactDescription(lmtool: "", config: .null, tokenizer: "t", provenance: .init(sources: [], recipe: .null)))
    } throws: { ($0 as? LMToolError)?.rule == "LMZ-15" }
    #expect(refusal(scratch.path + "/x.lmz")?.code == .missingInput)
  }

  @Test func aFolderThatDoesNotExistCannotBeWrittenTo() {
    #expect { try ArtifactWriter(path: "/nonexistent/x.lmz") } throws: { ($0 as? LMToolError)?.code == .cannotCreate }
  }
}
