import Tensors

/// The JSON header of a safetensors file as it is written there, before its entries are checked against the data.
struct SafetensorsHeader: Decodable {
  /// One tensor's entry.
  struct Entry: Decodable {
    let dtype: String
    let shape: [Int]
    let dataOffsets: [Int]

    enum CodingKeys: String, CodingKey {
      case dtype, shape
      case dataOffsets = "data_offsets"
    }
  }

  /// The key that is no tensor.
  static let metadataKey = "__metadata__"

  private(set) var metadata: [String: String] = [:]
  private(set) var entries: [String: Entry] = [:]

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Name.self)
    for name in container.allKeys {
      if name.stringValue == Self.metadataKey {
        metadata = try container.decode([String: String].self, forKey: name)
      } else {
        entries[name.stringValue] = try container.decode(Entry.self, forKey: name)
      }
    }
  }

  /// Any key of the object.
  private struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// How often the text `"data_offsets"` must occur in the header if no key occurs twice: once for each tensor, and
  /// wherever a name or the metadata is that very word.
  var expectedOffsetKeys: Int {
    let word = Entry.CodingKeys.dataOffsets.rawValue
    let inMetadata = metadata.reduce(0) { $0 + ($1.key == word ? 1 : 0) + ($1.value == word ? 1 : 0) }
    return entries.count + (entries[word] == nil ? 0 : 1) + inMetadata
  }

  /// How often the text `"data_offsets"` occurs.
  static func countOffsetKeys(_ header: UnsafeRawBufferPointer) -> Int {
    let key = Array("\"\(Entry.CodingKeys.dataOffsets.rawValue)\"".utf8)
    var occurrences = 0
    var start = 0
    while start + key.count <= header.count {
      if header[start] == key[0] && header[start..<(start + key.count)].elementsEqual(key) {
        occurrences += 1
        start += key.count
      } else {
        start += 1
      }
    }
    return occurrences
  }
}
