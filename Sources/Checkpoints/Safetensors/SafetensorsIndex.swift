import OrderedCollections
import Tensors

/// The `model.safetensors.index.json` of a sharded model: which file holds which tensor.
struct SafetensorsIndex {
  /// The most shards that one index may name.
  static let maximumShards = 4096

  let file: MappedFile
  /// Shard file names by tensor name.
  let weightMap: [String: String]

  private struct Content: Decodable {
    let weightMap: [String: String]
    enum CodingKeys: String, CodingKey { case weightMap = "weight_map" }
  }

  /// Whether a file is an index rather than a safetensors file: JSON text from its first byte on.
  static func recognizes(_ file: MappedFile) -> Bool {
    file.withBytes(0..<min(file.count, 4096)) { head in
      head.first { !" \t\r\n".utf8.contains($0) } == UInt8(ascii: "{") && head.count > 1 && !head.contains(0)
    }
  }

  init(file: MappedFile) throws(LMToolError) {
    self.file = file
    do throws(LMToolError) {
      weightMap = try decodeJSON(Content.self, file: file).weightMap
    } catch {
      throw LMToolError(error.code, "the index: \(error.message)", file: file.path, rule: "SAFETENSORS-9")
    }
  }

  /// Opens all shards, in the order of their names, and checks that each holds what the index says it holds.
  func openShards() throws(LMToolError) -> [SafetensorsFile] {
    let expected = Dictionary(grouping: weightMap.keys) { weightMap[$0] ?? "" }
    try checkNames(of: expected.keys)
    var shards: [SafetensorsFile] = []
    for (name, tensors) in expected.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      let shard = try open(name)
      if let missing = tensors.filter({ shard.tensors[$0] == nil }).min() {
        throw broken(10, "the index says that it is in \(name), but it is not there", at: missing)
      }
      shards.append(shard)
    }
    return shards
  }

  private func checkNames(of shards: some Collection<String>) throws(LMToolError) {
    guard 1...Self.maximumShards ~= shards.count else {
      throw broken(9, "the index names \(shards.count) shards; 1 to \(Self.maximumShards) are accepted", at: "weight_map")
    }
    if let name = shards.filter({ !isPlain($0) }).min() {
      throw broken(9, "the shard \(name.printable) is not a plain file name, so it may lie outside the folder", at: "weight_map")
    }
  }

  private func open(_ name: String) throws(LMToolError) -> SafetensorsFile {
    let path = parentFolder(of: file.path) + name
    do throws(LMToolError) {
      return try SafetensorsFile(path: path)
    } catch  where error.code == .missingInput {
      throw LMToolError(
        .missingInput, "the index \(file.path) names this shard, but it is not there; download it into the same folder",
        file: path, rule: "SAFETENSORS-10")
    }
  }

  private func isPlain(_ name: String) -> Bool {
    !name.isEmpty && name != "." && name != ".."
      && !name.utf8.contains { $0 == 0 || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }
  }

  private func broken(_ rule: Int, _ message: String, at key: String) -> LMToolError {
    LMToolError(.badInput, message, file: file.path, at: .key(key), rule: "SAFETENSORS-\(rule)")
  }
}
