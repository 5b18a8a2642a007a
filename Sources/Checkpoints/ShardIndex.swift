import OrderedCollections
import Tensors

/// The index of a sharded model, such as `model.safetensors.index.json`: which file holds which tensor. Rules SAFETENSORS-9 and 10.
struct ShardIndex {
  /// The most shards that one index may name.
  static let maximumShards = 4096

  let file: MappedFile
  /// Shard file names by tensor name.
  let weightMap: [String: String]
  /// The names of the tensors of each shard.
  private let expected: [String: [String]]

  private struct Content: Decodable {
    let weightMap: [String: String]
    enum CodingKeys: String, CodingKey { case weightMap = "weight_map" }
  }

  /// Whether a file is an index rather than a file of tensors: JSON text from its first byte on.
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
    let weightMap = weightMap
    expected = Dictionary(grouping: weightMap.keys) { weightMap[$0] ?? "" }
  }

  /// The names of the shards in the order of their bytes, checked to be names of files in the folder of the index.
  func shards() throws(LMToolError) -> [String] {
    guard 1...Self.maximumShards ~= expected.count else {
      throw broken(9, "the index names \(expected.count) shards; 1 to \(Self.maximumShards) are accepted", at: "weight_map")
    }
    if let name = expected.keys.filter({ !isPlain($0) }).min() {
      throw broken(9, "the shard \(name.printable) is not a plain file name, so it may lie outside the folder", at: "weight_map")
    }
    return expected.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// The path of a shard, which must be there.
  func path(of shard: String) throws(LMToolError) -> String {
    let path = parentFolder(of: file.path) + shard
    guard exists(path) else {
      throw LMToolError(
        .missingInput, "the index \(file.path) names this shard, but it is not there; download it into the same folder",
        file: path, rule: "SAFETENSORS-10")
    }
    return path
  }

  /// Checks that a shard holds what the index says it holds.
  func check(_ shard: String, holds: (String) -> Bool) throws(LMToolError) {
    if let missing = expected[shard]?.filter({ !holds($0) }).min() {
      throw broken(10, "the index says that it is in \(shard), but it is not there", at: missing)
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
