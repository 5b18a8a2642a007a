import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Pickles that are damaged or mean harm: PICKLE-1 to 7 and TORCH-1 to 8.
struct PickleHostileTests {
  typealias B = PickleBuilder
  let folder = TestFolder()

  private func open(_ file: [UInt8]) throws -> PyTorchFile { try PyTorchFile(path: try folder.write("model.bin", file)) }

  private func expect(_ rule: String, _ pickle: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) {
    expectRefusal(rule, sourceLocation: sourceLocation) { _ = try open(B.file(pickle: pickle)) }
  }

  @Test func theBuilderBuildsSoundFiles() throws {
    let file = try open(B.file(weight: B.tensor()))
    #expect(try file.tensors["weight"]?.readAll() == [0, 1, 2, 3, 4, 5])
    #expect(
      try open(B.file(weight: B.tensor(offset: 1, shape: [2, 2], strides: [1, 3]))).tensors["weight"]?.readAll() == [1, 4, 2, 5])
  }

  @Test func beginsWithAProtocolAndEndsWithStop() {
    expect("PICKLE-6", [])
    for version: UInt8 in [0, 1, 6, 255] { expect("PICKLE-1", [0x80, version, 0x4E, 0x2E]) }
    expect("PICKLE-1", [0x7D, 0x2E])
    expect("PICKLE-1", B.pickle(B.none) + [0x2E])
    expect("PICKLE-6", B.proto + B.emptyDict)
  }

  @Test func refusesOtherOpcodes() {
    for opcode in Array("ILFSTUVPpgio".utf8) + [0x82, 0x83, 0x84, 0x97, 0x98, 0, 255] {
      expect("PICKLE-2", B.pickle([opcode, 0x0A]))
    }
  }

  @Test func needsItsOperands() {
    for opcode in Array("0ate12sudRbQ".utf8) + [0x81, 0x85, 0x86, 0x87, 0x90, 0x91, 0x92, 0x93, 0x94] {
      expect("PICKLE-4", B.pickle([opcode]))
    }
    expect("PICKLE-4", B.pickle([]))
    expect("PICKLE-4", B.pickle(B.mark))
    expect("PICKLE-4", B.pickle(B.none + B.mark + [0x52]))
    expect("PICKLE-4", B.pickle(B.emptyDict + B.mark + B.none + [0x75]))
    expect("PICKLE-4", B.pickle(B.none + B.none + [0x61]))
    expect("PICKLE-4", B.pickle(B.emptyList + B.none + B.none + [0x73]))
    expect("PICKLE-4", B.pickle(B.name("a", "b") + B.none + B.reduce))
    expect("PICKLE-4", B.pickle(B.none + B.none + [0x93]))
    expect("PICKLE-5", B.pickle([0x68, 7]))
    expect("PICKLE-5", B.pickle([0x6A] + bytes(UInt32.max)))
  }

  @Test func refusesLengthsThatDoNotFit() {
    for opcode: UInt8 in [0x58, 0x42, 0x8B] { expect("PICKLE-6", B.pickle([opcode] + bytes(UInt32.max))) }
    for opcode: UInt8 in [0x8D, 0x8E, 0x96, 0x95] {
      expect("PICKLE-6", B.pickle([opcode] + bytes(UInt64.max)))
      expect("PICKLE-6", B.pickle([opcode] + bytes(UInt64(1) << 40)))
    }
    expect("PICKLE-6", B.pickle([0x8C, 200]))
    expect("PICKLE-6", B.pickle([0x8C, 1, 0xFF]))
    expect("PICKLE-6", B.pickle([0x63] + bytes("os")))
  }

  @Test(arguments: [
    ("os", "system"), ("posix", "system"), ("nt", "system"), ("subprocess", "Popen"), ("builtins", "eval"), ("builtins", "exec"),
    ("__builtin__", "exec"), ("builtins", "__import__"), ("builtins", "eval.__call__"), ("os.path", "join"),
    ("runpy", "run_path"),
    ("socket", "socket"), ("importlib", "import_module"), ("shutil", "rmtree"), ("webbrowser", "open"), ("pty", "spawn"),
  ])
  func refusesNamesThatRunPrograms(module: String, name: String) {
    expect("PICKLE-7", B.pickle(B.name(module, name) + B.tuple(B.text("true")) + B.reduce))
    expect("PICKLE-7", B.pickle(B.text(module) + B.text(name) + [0x93] + B.tuple(B.text("true")) + B.reduce))
  }

  @Test func makesNothingOfOtherNames() throws {
    let call = B.name("evil.module", "run") + B.tuple(B.text("rm")) + B.reduce + B.dict((B.text("x"), B.none)) + [0x62]
    let made = B.name("some", "Class") + B.emptyTuple + [0x81]
    let curried = call + B.emptyTuple + B.reduce
    let pickle = B.pickle(
      B.dict((B.text("weight"), B.tensor()), (B.text("a"), call), (B.text("b"), made), (B.text("c"), curried)))
    #expect(try open(B.file(pickle: pickle)).leftOut == ["a: evil.module.run", "b: some.Class", "c: what evil.module.run gives"])
  }

  @Test func nestingAndCyclesCostNothing() throws {
    let deep = [UInt8](repeating: 0x5D, count: 300_000) + [UInt8](repeating: 0x61, count: 299_999)
    #expect(try open(B.file(pickle: B.pickle(B.dict((B.text("w"), B.tensor()), (B.text("d"), deep))))).leftOut.count == 1)
    let tuples = B.emptyTuple + [UInt8](repeating: 0x85, count: 300_000)
    #expect(try open(B.file(pickle: B.pickle(B.dict((B.text("w"), B.tensor()), (B.text("d"), tuples))))).leftOut.count == 1)
    // A dict that is its own state dict.
    expect("TORCH-7", B.pickle(B.emptyDict + [0x71, 0] + B.text("state_dict") + [0x68, 0, 0x73]))
    // A list of itself, read as settings.
    let own = B.emptyList + [0x71, 1] + [0x68, 1, 0x61]
    #expect(throws: Never.self) { try open(B.file(pickle: B.pickle(B.dict((B.text("w"), B.tensor()), (B.text("d"), own))))) }
  }

  /// Every list holds the one before ten times: ten to the ninth elements, were they copied.
  @Test func laughsCostNothing() throws {
    var laughs = B.emptyList + [0x71, 0, 0x30]
    for level: UInt8 in 1...9 {
      laughs += B.emptyList + B.mark + (0..<10).flatMap { _ in [0x68, level - 1] } + [0x65, 0x71, level, 0x30]
    }
    let file = try open(B.file(pickle: B.pickle(B.dict((B.text("w"), B.tensor()), (B.text("lol"), laughs + [0x68, 9])))))
    #expect(file.leftOut == ["lol: a list of 10"])
  }

  @Test func boundsTheValues() {
    for opcodes in [[0x4E], [0x28], B.none + [0x30]] as [[UInt8]] {
      expect("PICKLE-3", B.pickle((0...1 << 22).flatMap { _ in opcodes }))
    }
  }

  @Test(arguments: [
    B.storage(key: "1"), B.storage(key: "../0"), B.storage(key: ""), B.storage(count: 5), B.storage(count: 7),
    B.storage(count: -1),
    B.storage(count: .max), B.storage("DoubleStorage"), B.none + [0x51], B.emptyTuple + [0x51],
    B.tuple(B.text("module"), B.name("torch", "FloatStorage"), B.text("0"), B.text("cpu"), B.int(6)) + [0x51],
  ])
  func storagesMustBeThere(storage: [UInt8]) { expect("TORCH-3", B.pickle(B.dict((B.text("w"), B.tensor(storage))))) }

  @Test(arguments: [
    ([2, 3], [3], 0), ([2], [3, 1], 0), ([-2, 3], [3, 1], 0), ([2, 3], [-3, 1], 0), ([2, 3], [3, -1], 3), ([2, 3], [3, 1], -1),
  ])
  func viewsMustFitTogether(shape: [Int], strides: [Int], offset: Int) {
    expectRefusal("TORCH-4") { _ = try open(B.file(weight: B.tensor(offset: offset, shape: shape, strides: strides))) }
  }

  @Test(arguments: [
    ([2, 3], [3, 1], 1), ([2, 4], [3, 1], 0), ([7], [1], 0), ([2], [6], 0), ([1], [1], 6), ([2], [.max], 0), ([.max], [1], 0),
    ([2, 2], [.max, .max], 0), ([.max, .max], [1, 1], 0), ([1 << 62, 2, 2], [0, 0, 0], 0), ([1], [1], .max), ([3], [1 << 62], 1),
  ])
  func viewsMustLieInTheirStorage(shape: [Int], strides: [Int], offset: Int) {
    expectRefusal("TORCH-5") { _ = try open(B.file(weight: B.tensor(offset: offset, shape: shape, strides: strides))) }
  }

  @Test func viewsMayBeEmptyAnywhere() throws {
    let file = try open(B.file(weight: B.tensor(offset: .max, shape: [0, 3], strides: [.max, .max])))
    #expect(try file.tensors["weight"]?.readAll() == [])
  }

  /// TORCH-6: a few bytes must not promise exabytes.
  @Test func tensorsThatRepeatThemselvesAreLeftOut() throws {
    let pickle = B.dict((B.text("w"), B.tensor()), (B.text("x"), B.tensor(shape: [1 << 50], strides: [0])))
    #expect(try open(B.file(pickle: B.pickle(pickle))).leftOut.count == 1)
  }

  @Test func argumentsMustBeThoseOfTorch() {
    for arguments in [B.emptyTuple, B.tuple(B.storage()), B.tuple(B.storage(), B.none, B.none, B.none, B.none, B.none)] {
      expect("TORCH-4", B.pickle(B.name("torch._utils", "_rebuild_tensor_v2") + arguments + B.reduce))
    }
    for name in ["_rebuild_parameter", "_rebuild_parameter_with_state", "_rebuild_tensor_v3", "_rebuild_tensor"] {
      expect("TORCH-4", B.pickle(B.name("torch._utils", name) + B.emptyTuple + B.reduce))
    }
    expect("TORCH-4", B.pickle(B.name("torch", "Size") + B.emptyTuple + B.reduce))
  }

  @Test func archivesMustHaveOnePickle() {
    let pickle = B.pickle(B.dict((B.text("w"), B.tensor())))
    expectRefusal("TORCH-1") { _ = try open(B.file(pickle: pickle, [("b/data.pkl", pickle)])) }
    expectRefusal("TORCH-1") { _ = try open(ZipBuilder([("a/b/data.pkl", pickle)]).file) }
    expectRefusal("TORCH-1") { _ = try open(ZipBuilder([("data.pkl", pickle)]).file) }
    expectRefusal("TORCH-1") { _ = try open(B.file(pickle: pickle, [("a/byteorder", bytes("middle"))])) }
    for name in ["constants.pkl", "code/x.py", "archive_format"] {
      expectRefusal("TORCH-2") { _ = try open(B.file(pickle: pickle, [("a/" + name, [])])) }
    }
    expectRefusal("TORCH-2") { _ = try open(pickle) }
  }

  @Test func stateDictsMustBeThere() {
    expect("TORCH-7", B.pickle(B.emptyDict))
    expect("TORCH-7", B.pickle(B.none))
    expect("TORCH-7", B.pickle(B.emptyList))
    expect("TORCH-7", B.pickle(B.tensor()))
    let inner = B.dict((B.text("w"), B.tensor()))
    expect("TORCH-7", B.pickle(B.dict((B.text("one"), inner), (B.text("two"), inner))))
    expect("TORCH-8", B.pickle(B.dict((B.text("_orig_mod.w"), B.tensor()), (B.text("w"), B.tensor()))))
  }

  @Test(arguments: ["state_dict", "model_state_dict", "model_state", "model", "module", "weights", "params", "anything"])
  func stateDictsMayBeWrapped(key: String) throws {
    let inner = B.dict((B.text("module.w"), B.tensor()))
    let other = B.dict((B.text("lr"), B.int(1)))
    for value in key == "anything" ? [inner] : [inner, B.dict((B.text(key), inner))] {
      let file = try open(B.file(pickle: B.pickle(B.dict((B.text(key), value), (B.text("optimizer"), other)))))
      #expect(Array(file.tensors.keys) == ["w"])
      #expect(file.leftOut == ["optimizer: a dict of 1"])
    }
  }

  @Test func aTruncatedFileIsRefusedWhereverItEnds() throws {
    let whole = B.file(weight: B.tensor())
    for count in stride(from: 4, to: whole.count, by: 7) {
      #expect(throws: LMToolError.self) { try open(Array(whole[0..<count])) }
    }
  }
}
