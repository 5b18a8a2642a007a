import Artifacts
import Compression
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Outputs that would destroy the input, or cannot be made, are refused before any work is done.
struct OutputPathTests {
  let scratch = TestFolder()

  private func copy(_ file: String, to name: String) throws -> String {
    try scratch.write(name, try contents(stories + "/" + file))
  }

  @Test func theInputIsNeverReplaced() throws {
    let path = try copy("stories260K-f32.gguf", to: "model.gguf")
    symlink(path, scratch.path("link"))
    let source = try ModelSource.open(path)
    for output in [path, scratch.path + "/./model.gguf", scratch.path("link")] {
      let error = #expect(throws: LMToolError.self) { _ = try Exporting.gguf(source, to: output) }
      #expect(error?.code == .usage)
      #expect(error?.message.contains("the output is the input itself") == true)
      #expect(throws: LMToolError.self) { try Exporting.lmz(source, to: output, recipe: .object([:])) }
      #expect(throws: LMToolError.self) { try Compressing.run(source, to: output, budget: nil) }
    }
    #expect(try contents(path) == contents(stories + "/stories260K-f32.gguf"))
    #expect(scratch.names == ["link", "model.gguf"])
  }

  @Test func aFileOfTheInputIsNeverReplaced() throws {
    let folder = scratch.path("model")
    try Importing.run(try ModelSource.open(stories), to: folder)
    let source = try ModelSource.open(folder)
    for name in ["config.json", "model.safetensors", "tokenizer.model"] {
      #expect(throws: LMToolError.self) { try Exporting.lmz(source, to: folder + "/" + name, recipe: .object([:])) }
    }
    #expect(try values(try ModelSource.open(folder)) == values(source))
  }

  @Test func anInputWithATemporaryNameIsNotWrittenOver() throws {
    let path = try copy("stories260K-f32.gguf", to: "a.lmz.tmp")
    let source = try ModelSource.open(path)
    #expect(throws: LMToolError.self) { try Exporting.lmz(source, to: scratch.path("a.lmz"), recipe: .object([:])) }
    for suffix in [".tmp", ".work"] {
      try Importing.run(source, to: scratch.path("model" + suffix))
      let model = try ModelSource.open(scratch.path("model" + suffix))
      #expect(throws: LMToolError.self) { try Compressing.run(model, to: scratch.path("model"), budget: nil) }
      if suffix == ".tmp" { #expect(throws: LMToolError.self) { try Importing.run(model, to: scratch.path("model/")) } }
      #expect(try values(try ModelSource.open(scratch.path("model" + suffix))) == values(source))
    }
    #expect(try contents(path) == contents(stories + "/stories260K-f32.gguf"))
  }

  @Test(arguments: ["", "/"]) func aNameIsNeeded(name: String) throws {
    let source = try ModelSource.open(stories)
    #expect(throws: LMToolError.self) { try Exporting.lmz(source, to: name, recipe: .object([:])) }
    #expect(throws: LMToolError.self) { try Importing.run(source, to: name) }
  }

  @Test func aMissingFolderIsNamed() throws {
    let source = try ModelSource.open(stories)
    let error = #expect(throws: LMToolError.self) {
      try Exporting.lmz(source, to: scratch.path("no/such/a.lmz"), recipe: .object([:]))
    }
    #expect(error?.code == .cannotCreate)
    #expect(error?.message.contains("\(scratch.path("no/such")) does not exist") == true)
    #expect(throws: LMToolError.self) { try Quantizing.run(source, recipe: .int8, to: scratch.path("no/quantized")) }
  }

  @Test func aFolderIsNoFile() throws {
    let source = try ModelSource.open(stories)
    mkdir(scratch.path("folder"), 0o755)
    let error = #expect(throws: LMToolError.self) {
      try Exporting.lmz(source, to: scratch.path("folder"), recipe: .object([:]))
    }
    #expect(error?.code == .cannotCreate)
    #expect(scratch.names == ["folder"])
  }
}
