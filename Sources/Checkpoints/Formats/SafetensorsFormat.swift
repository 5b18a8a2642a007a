import OrderedCollections
import Tensors

extension SafetensorsCheckpoint: Checkpoint {
  /// The tensors, shard by shard.
  public var readers: OrderedDictionary<String, any TensorReader> { tensors.mapValues { $0 } }
}

/// safetensors: files by their header length and brace, indexes by their `weight_map`, folders by the names in them.
struct SafetensorsFormat: CheckpointFormat {
  let kind = CheckpointKind.safetensors

  func recognizes(_ file: MappedFile) -> Bool { hasHeader(file) || ShardIndex.recognizes(file) && namesWeights(file) }

  func recognizes(folder: String) -> Bool {
    [SafetensorsCheckpoint.fileName, SafetensorsCheckpoint.indexName].contains { isFile(folder + "/" + $0) }
  }

  func open(_ path: String) throws(LMToolError) -> any Checkpoint { try SafetensorsCheckpoint(path: path) }

  private func hasHeader(_ file: MappedFile) -> Bool {
    guard file.count > 8 else { return false }
    return file.withBytes(0..<9) { head in
      let length = UInt64(littleEndian: head.loadUnaligned(as: UInt64.self))
      return length >= 2 && length <= UInt64(SafetensorsFile.maximumHeaderSize) && head[8] == UInt8(ascii: "{")
    }
  }

  /// Whether JSON text has the key of an index; `config.json` and its like do not.
  private func namesWeights(_ file: MappedFile) -> Bool {
    guard file.count <= maximumJSONSize else { return false }
    let key = Array("\"weight_map\"".utf8)
    return file.withBytes(0..<file.count) { text in
      text.indices.contains { text[$0] == key[0] && text[$0...].starts(with: key) }
    }
  }
}
