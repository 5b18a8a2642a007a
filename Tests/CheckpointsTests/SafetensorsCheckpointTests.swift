import Checkpoints
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Folders and indexes: SAFETENSORS-9 to 11.
struct SafetensorsCheckpointTests {
  let folder = TestFolder()

  /// Writes a shard whose tensors have one byte each.
  private func shard(_ name: String, _ tensors: [(String, UInt8)], metadata: String = "") throws {
    let entries = tensors.enumerated().map { index, tensor in
      "\"\(tensor.0)\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[\(index),\(index + 1)]}"
    }
    let members = (metadata.isEmpty ? [] : ["\"__metadata__\":{\(metadata)}"]) + entries
    try folder.write(name, safetensors("{\(members.joined(separator: ","))}", tensors.map(\.1)))
  }

  private func index(_ weightMap: String) throws {
    try folder.write("model.safetensors.index.json", bytes("{\"metadata\":{\"total_size\":3},\"weight_map\":{\(weightMap)}}"))
  }

  private func open() throws -> SafetensorsCheckpoint { try SafetensorsCheckpoint(path: folder.path) }

  @Test func opensAFolderAFileAndAnIndexOfAnyName() throws {
    try shard("some.bin", [("a", 1)])
    try folder.write("index", bytes("{\"weight_map\":{\"a\":\"some.bin\"}}"))
    for name in ["some.bin", "index"] {
      #expect(try SafetensorsCheckpoint(path: folder.path + "/" + name).tensors["a"]?.readAll() == [1])
    }
    expectRefusal("SAFETENSORS-9", code: .missingInput) { _ = try open() }
    try shard("model.safetensors", [("a", 2)])
    #expect(try open().tensors["a"]?.readAll() == [2])
  }

  @Test func readsShardsInTheOrderOfTheirNames() throws {
    try shard("m-2.safetensors", [("c", 3)], metadata: "\"format\":\"np\",\"two\":\"2\"")
    try shard("m-1.safetensors", [("b", 1), ("a", 2)], metadata: "\"format\":\"pt\"")
    try index("\"c\":\"m-2.safetensors\",\"a\":\"m-1.safetensors\",\"b\":\"m-1.safetensors\"")
    let model = try open()
    #expect(Array(model.tensors.keys) == ["b", "a", "c"])
    #expect(model.files.map(\.path) == ["m-1", "m-2"].map { "\(folder.path)/\($0).safetensors" })
    #expect(try model.tensors["c"]?.readAll() == [3])
    #expect(model.metadata == ["format": "pt", "two": "2"])
  }

  @Test func keepsTensorsThatTheIndexDoesNotName() throws {
    try shard("m-1.safetensors", [("a", 1), ("extra", 2)])
    try index("\"a\":\"m-1.safetensors\"")
    #expect(try Array(open().tensors.keys) == ["a", "extra"])
  }

  @Test(arguments: ["../x", "/etc/passwd", "a/b", "..", ".", "", "a\\\\b", "a\\u0000b"])
  func refusesShardsOutsideTheFolder(name: String) throws {
    try index("\"a\":\"\(name)\"")
    expectRefusal("SAFETENSORS-9") { _ = try open() }
  }

  @Test(arguments: [
    "[]", "{}", "{\"weight_map\":3}", "{\"weight_map\":{\"a\":1}}", "{\"weight_map\":{}}", "{\"weight_map\":{\"a\":",
  ])
  func refusesIndexesThatAreNotTheJSONOfTheFormat(text: String) throws {
    try folder.write("model.safetensors.index.json", bytes(text))
    #expect(throws: LMToolError.self) { try open() }
  }

  @Test func refusesMoreShardsThanTheLimit() throws {
    try index((0...4096).map { "\"t\($0)\":\"s\($0)\"" }.joined(separator: ","))
    expectRefusal("SAFETENSORS-9") { _ = try open() }
  }

  @Test func namesTheMissingShard() throws {
    try index("\"a\":\"m-1.safetensors\"")
    let error = expectRefusal("SAFETENSORS-10", code: .missingInput) { _ = try open() }
    #expect(error?.file == folder.path + "/m-1.safetensors")
  }

  @Test func namesTheMissingTensor() throws {
    try shard("m-1.safetensors", [("a", 1)])
    try index("\"a\":\"m-1.safetensors\",\"b\":\"m-1.safetensors\"")
    let error = expectRefusal("SAFETENSORS-10") { _ = try open() }
    #expect(error?.place == .key("b"))
  }

  @Test func refusesATensorInTwoShards() throws {
    try shard("m-1.safetensors", [("a", 1)])
    try shard("m-2.safetensors", [("b", 1), ("a", 2)])
    try index("\"a\":\"m-1.safetensors\",\"b\":\"m-2.safetensors\"")
    let error = expectRefusal("SAFETENSORS-11") { _ = try open() }
    #expect(error?.place == .tensor("a"))
  }

  @Test func refusesABrokenShard() throws {
    try folder.write("m-1.safetensors", [1, 2, 3])
    try index("\"a\":\"m-1.safetensors\"")
    expectRefusal("SAFETENSORS-1") { _ = try open() }
  }
}
