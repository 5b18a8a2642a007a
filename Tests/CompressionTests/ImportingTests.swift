import Artifacts
import Compression
import Kernels
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing
import Tokenizers

/// Import: any checkpoint becomes a model directory with the same numbers.
struct ImportingTests {
  let scratch = TestFolder()
  static let forms = ["", "/model.safetensors", "/stories260K.bin", "/stories260K-f32.gguf", "/stories260K-q8.bin"]

  @Test(arguments: forms) func everyFormGivesADirectoryWithEqualTensors(form: String) throws {
    let source = try ModelSource.open(stories + form)
    try Importing.run(source, to: scratch.path("model"), type: .f32)
    let imported = try ModelSource.open(scratch.path("model"))
    #expect(imported.spec == source.spec)
    #expect(imported.tensors.values.allSatisfy { $0.storage == .plain(.f32) })
    #expect(try values(imported) == values(source))
  }

  @Test(arguments: ["/stories260K.bin", "/stories260K-f32.gguf"]) func allFormsHoldTheSameModel(form: String) throws {
    let reference = try values(try ModelSource.open(stories))
    let other = try values(try ModelSource.open(stories + form))
    for (name, expected) in reference { #expect(other[name] == expected, "\(name)") }
  }

  @Test func f16IsRoundedToNearest() throws {
    let source = try ModelSource.open(stories)
    try Importing.run(source, to: scratch.path("model"), type: .f16)
    let imported = try values(try ModelSource.open(scratch.path("model")))
    for (name, exact) in try values(source) { #expect(imported[name] == exact.map { halfToFloat(floatToHalf($0)) }, "\(name)") }
  }

  @Test func bf16IsRoundedToNearest() throws {
    let source = try ModelSource.open(stories)
    try Importing.run(source, to: scratch.path("model"), type: .bf16)
    let imported = try values(try ModelSource.open(scratch.path("model")))
    for (name, exact) in try values(source) {
      var halves = [UInt16](repeating: 0, count: exact.count), expected = exact
      narrow(exact, toBF16: &halves, count: exact.count)
      widen(bf16: halves, to: &expected, count: exact.count)
      #expect(imported[name] == expected, "\(name)")
    }
  }

  @Test func theTypeIsThatOfTheMatricesUnlessOneIsAskedFor() throws {
    #expect(Importing.defaultType(of: try ModelSource.open(stories)) == .f32)
    #expect(Importing.defaultType(of: try ModelSource.open(stories + "/stories260K-q8.bin")) == .f16)
    for type in [DType.f16, .bf16] {
      let path = scratch.path(type.rawValue)
      try Importing.run(try ModelSource.open(stories), to: path, type: type)
      let written = try ModelSource.open(path)
      #expect(Importing.defaultType(of: written) == type)
      #expect(written.config["torch_dtype"]?.string == type.torchName)
    }
  }

  @Test func theTokenizerIsCarriedOver() throws {
    let source = try ModelSource.open(stories), tokenizer = try source.makeTokenizer()
    let text = "Once upon a time, café 🙂\n"
    for form in ["", "/stories260K-f32.gguf"] {
      let path = scratch.path("model\(form.count)")
      try Importing.run(try ModelSource.open(stories + form), to: path)
      #expect(try ModelSource.open(path).makeTokenizer().encode(text) == tokenizer.encode(text))
    }
    #expect(try contents(scratch.path("model0/tokenizer.model")) == contents(stories + "/tokenizer.model"))
  }

  @Test(arguments: [(Float.nan, "nan"), (.infinity, "inf"), (-.infinity, "-inf")])
  func weightsThatAreNotFiniteAreRefused(value: Float, text: String) throws {  // MODEL-5
    let name = "model.layers.1.mlp.up_proj.weight"
    try writeStories(to: scratch.path("broken")) { if $0 == name { $1[70] = value } }
    let error = #expect(throws: LMToolError.self) {
      try Importing.run(try ModelSource.open(scratch.path("broken")), to: scratch.path("model"))
    }
    #expect(error?.code == .badInput)
    #expect(error?.rule == "MODEL-5")
    #expect(error?.place == .tensor(name))
    #expect(error?.message.contains("element 70 is \(text)") == true)
    #expect(scratch.names == ["broken"])
  }

  @Test func whatF16CannotHoldIsRefusedWithTheRemedy() throws {  // MODEL-5
    try writeStories(to: scratch.path("large")) { if $0 == "model.norm.weight" { $1[0] = 65_600 } }
    let large = try ModelSource.open(scratch.path("large"))
    let error = #expect(throws: LMToolError.self) { try Importing.run(large, to: scratch.path("model"), type: .f16) }
    #expect(error?.message.contains("choose --dtype bf16 or f32") == true)
    #expect(scratch.names == ["large"])
    try Importing.run(large, to: scratch.path("model"), type: .bf16)
  }

  @Test func anExistingFolderIsLeftAlone() throws {
    try scratch.write("taken", [1, 2, 3])
    let source = try ModelSource.open(stories)
    let error = #expect(throws: LMToolError.self) { try Importing.run(source, to: scratch.path("taken")) }
    #expect(error?.code == .cannotCreate)
    #expect(try contents(scratch.path("taken")) == [1, 2, 3])
    #expect(scratch.names == ["taken"])
  }

  @Test func aQuantizedDirectoryIsImportedAsFloats() throws {
    let source = try ModelSource.open(stories)
    try Quantizing.run(source, recipe: .int4, to: scratch.path("quantized"))
    let quantized = try ModelSource.open(scratch.path("quantized"))
    try Importing.run(quantized, to: scratch.path("model"), type: .f32)
    let imported = try ModelSource.open(scratch.path("model"))
    #expect(imported.config["quantization_config"] == nil)
    #expect(try values(imported) == values(quantized))
  }
}
