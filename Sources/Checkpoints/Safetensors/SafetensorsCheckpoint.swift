import OrderedCollections
import Tensors

/// The tensors of a safetensors model: one file, or an index with its shards.
public struct SafetensorsCheckpoint: Sendable {
  /// The name of an unsharded model's file in its folder.
  public static let fileName = "model.safetensors"
  /// The name of a sharded model's index in its folder.
  public static let indexName = "model.safetensors.index.json"

  /// The files that hold the tensors, in the order of their names.
  public let files: [MappedFile]
  /// The strings of `__metadata__` of all files; where two files differ, the first one's.
  public let metadata: [String: String]
  /// All tensors, shard by shard, in the order of their offsets.
  public let tensors: OrderedDictionary<String, PlainTensor>

  /// Opens a folder with `model.safetensors` or `model.safetensors.index.json`, a single safetensors file of any name, or an
  /// index file of any name.
  ///
  /// - Throws: `missingInput` when the file or a shard is missing, `badInput` with the rule that is broken.
  public init(path: String) throws(LMToolError) {
    if isFolder(path) {
      try self.init(folder: path)
    } else {
      try self.init(file: try MappedFile(path: path))
    }
  }

  /// Opens a folder with `model.safetensors`, or else with `model.safetensors.index.json`.
  ///
  /// - Throws: as `init(path:)`.
  public init(folder: String) throws(LMToolError) {
    guard let name = [Self.fileName, Self.indexName].first(where: { isFile(folder + "/" + $0) }) else {
      throw LMToolError(
        .missingInput, "the folder has no \(Self.fileName) and no \(Self.indexName)", file: folder, rule: "SAFETENSORS-9")
    }
    try self.init(file: try MappedFile(path: folder + "/" + name))
  }

  private init(file: MappedFile) throws(LMToolError) {
    try self.init(shards: ShardIndex.recognizes(file) ? try Self.shards(of: file) : [try SafetensorsFile(file: file)])
  }

  private static func shards(of file: MappedFile) throws(LMToolError) -> [SafetensorsFile] {
    let index = try ShardIndex(file: file)
    var shards: [SafetensorsFile] = []
    for name in try index.shards() {
      let shard = try SafetensorsFile(path: try index.path(of: name))
      try index.check(name) { shard.tensors[$0] != nil }
      shards.append(shard)
    }
    return shards
  }

  private init(shards: [SafetensorsFile]) throws(LMToolError) {
    var tensors: OrderedDictionary<String, PlainTensor> = [:]
    var metadata: [String: String] = [:]
    for shard in shards {
      for tensor in shard.tensors.values {
        if let other = tensors.updateValue(tensor, forKey: tensor.name) {
          throw LMToolError(
            .badInput, "the tensor is in \(other.file.path) too; remove the shard that does not belong here",
            file: shard.file.path, at: .tensor(tensor.name), rule: "SAFETENSORS-11")
        }
      }
      metadata.merge(shard.metadata) { first, _ in first }
    }
    files = shards.map(\.file)
    self.metadata = metadata
    self.tensors = tensors
  }
}
