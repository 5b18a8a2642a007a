import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// NumPy's files: NUMPY-1 to 5 of `formats/numpy.md`, and fixtures/numpy/make_numpy.py.
struct NumPyTests {
  let folder = TestFolder()

  private func path(_ name: String) -> String { Fixtures.path("numpy/" + name) }

  @Test func readsEveryTypeAndOrder() throws {
    let checkpoint = try openCheckpoint(path: path("arrays.npz"))
    let expected = try SafetensorsFile(path: path("arrays.safetensors")).tensors
    #expect(Set(checkpoint.readers.keys) == Set(expected.keys))
    for (name, tensor) in checkpoint.readers {
      let other = try #require(expected[name])
      #expect(tensor.shape == other.shape && tensor.storage == other.storage, "\(name)")
      #expect(try bits(tensor.readAll()) == bits(other.readAll()), "\(name)")
    }
  }

  @Test func readsASingleArray() throws {
    let checkpoint = try openCheckpoint(path: path("matrix.npy"))
    let expected = try SafetensorsFile(path: path("arrays.safetensors")).tensors["f4"]
    #expect(Array(checkpoint.readers.keys) == ["matrix"])
    #expect(try checkpoint.readers["matrix"]?.readAll() == expected?.readAll())
  }

  @Test func refusesWhatItCannotRead() {
    expectRefusal("ZIP-7") { _ = try NumPyCheckpoint(path: path("compressed.npz")) }
    let error = expectRefusal("NUMPY-3") { _ = try NumPyCheckpoint(path: path("object.npy")) }
    #expect(error?.message.contains("|O") == true)
    expectRefusal("NUMPY-5") {
      _ = try NumPyCheckpoint(
        path: try folder.write("a.npz", ZipBuilder([("a.npy", ZipTests.array(1)), ("readme.txt", [])]).file))
    }
  }

  private func open(_ header: String, version: [UInt8] = [1, 0], data: Int = 24) throws {
    let length = version[0] == 1 ? bytes(UInt16(header.utf8.count)) : bytes(UInt32(header.utf8.count))
    let file = [0x93] + bytes("NUMPY") + version + length + bytes(header) + [UInt8](repeating: 0, count: data)
    _ = try NumPyCheckpoint(path: try folder.write("a.npy", file))
  }

  @Test(arguments: [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", "{'descr':'<f4','fortran_order':False,'shape':(2,3)}",
    "{\"shape\": (6,), \"descr\": \"=f4\", \"fortran_order\": True}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (3L,), }",
  ])
  func readsWhatNumPyEverWrote(header: String) throws {
    for version: [UInt8] in [[1, 0], [2, 0], [3, 0]] { try open(header, version: version) }
  }

  @Test(arguments: [
    "", "{", "{}", "{'descr': '<f4', 'fortran_order': False}", "{'descr': '<f4', 'fortran_order': 0, 'shape': (6,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': 6}", "{'descr': '<f4', 'fortran_order': False, 'shape': (-6,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (6,)", "{'descr': '<f4', 'fortran_order': False, 'shape': (6,)} x",
    "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}", "{'descr': [('a', '<f4')], 'shape': (6,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "{'descr': '<f4",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'more': 1}",
    "{'descr': '<f4' 'fortran_order': False, 'shape': (6,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (" + String(repeating: "1,", count: 65) + ")}",
  ])
  func refusesOtherHeaders(header: String) { expectRefusal("NUMPY-2") { try open(header) } }

  @Test(arguments: ["|O", "<c8", "<V2", "<U3", "|S4", "<M8", "f4", "", "<f16", "<f4x"]) func refusesOtherTypes(descr: String) {
    expectRefusal("NUMPY-3") { try open("{'descr': '\(descr)', 'fortran_order': False, 'shape': (6,)}") }
  }

  @Test(arguments: [
    "(5,)", "(7,)", "(2, 3, 2)", "(4611686018427387904, 4)", "(9223372036854775807,)", "()", "(9223372036854775807, 0, 9)",
  ])
  func refusesOtherSizes(shape: String) {
    expectRefusal("NUMPY-4") { try open("{'descr': '<f4', 'fortran_order': False, 'shape': \(shape)}") }
  }

  @Test func refusesOtherBeginnings() {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n"
    for version: [UInt8] in [[0, 0], [4, 0], [1, 1]] { expectRefusal("NUMPY-1") { try open(header, version: version) } }
    for length in [7, 9, 11, 40] {
      let file = [0x93] + bytes("NUMPY") + [1, 0] + bytes(UInt16(header.utf8.count)) + bytes(header)
      expectRefusal("NUMPY-1") { _ = try NumPyCheckpoint(path: try folder.write("a.npy", Array(file[0..<length]))) }
    }
    expectRefusal("NUMPY-1") {
      let file = [0x93] + bytes("NUMPY") + [2, 0] + bytes(UInt32(1 << 17)) + [UInt8](repeating: 0x20, count: 1 << 17)
      _ = try NumPyCheckpoint(path: try folder.write("a.npy", file))
    }
  }
}
