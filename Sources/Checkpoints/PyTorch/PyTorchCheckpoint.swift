import OrderedCollections
import Tensors

/// The tensors of a PyTorch model: one file, or an index with its shards.
public struct PyTorchCheckpoint: Checkpoint {
  /// The name of an unsharded model's file in its folder.
  public static let fileName = "pytorch_model.bin"
  /// The name of a sharded model's index in its folder.
  public static let indexName = "pytorch_model.bin.index.json"

  /// The files that hold the tensors, in the order of their names.
  public let files: [MappedFile]
  /// All tensors, shard by shard.
  public let readers: OrderedDictionary<String, any TensorReader>
  /// What else is in the files.
  public let leftOut: [String]
  /// The simple values beside the state dict of the first file.
  public let settings: JSONValue

  /// Opens a folder with `pytorch_model.bin` or `pytorch_model.bin.index.json`, a single file, or an index of any name.
  ///
  /// - Throws: `missingInput` when the file or a shard is missing, `badInput` with the rule that is broken.
  public init(path: String) throws(LMToolError) {
    let file = try MappedFile(path: isFolder(path) ? try Self.main(in: path) : path)
    try self.init(shards: ShardIndex.recognizes(file) ? try Self.shards(of: file) : [try PyTorchFile(file: file)])
  }

  private static func main(in folder: String) throws(LMToolError) -> String {
    guard let name = [fileName, indexName].first(where: { isFile(folder + "/" + $0) }) else {
      throw LMToolError(.missingInput, "the folder has no \(fileName) and no \(indexName)", file: folder)
    }
    return folder + "/" + name
  }

  private static func shards(of file: MappedFile) throws(LMToolError) -> [PyTorchFile] {
    let index = try ShardIndex(file: file)
    var shards: [PyTorchFile] = []
    for name in try index.shards() {
      let shard = try PyTorchFile(path: try index.path(of: name))
      try index.check(name) { shard.tensors[$0] != nil }
      shards.append(shard)
    }
    return shards
  }

  private init(shards: [PyTorchFile]) throws(LMToolError) {
    var readers: OrderedDictionary<String, any TensorReader> = [:]
    for shard in shards {
      for (name, tensor) in shard.tensors {
        guard readers.updateValue(tensor, forKey: name) == nil else {
          throw LMToolError(
            .badInput, "the tensor is in another shard too; remove the one that does not belong here", file: shard.file.path,
            at: .tensor(name), rule: "SAFETENSORS-11")
        }
      }
    }
    files = shards.map(\.file)
    self.readers = readers
    leftOut = shards.flatMap(\.leftOut)
    settings = shards.first?.settings ?? .null
  }
}
