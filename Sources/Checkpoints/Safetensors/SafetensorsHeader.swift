import Tensors

/// The JSON header of a safetensors file as it is written there, before its entries are checked against the data.
///
/// It is read by a scanner of its own, for a general JSON decoder keeps one of two equal keys in silence and needs many
/// times the memory of a large header.
struct SafetensorsHeader {
  /// One tensor's entry.
  struct Entry {
    var dtype: String?
    var shape: [Int]?
    var dataOffsets: [Int]?
  }

  /// The key that is no tensor.
  static let metadataKey = "__metadata__"
  /// The most dimensions of a tensor.
  static let maximumRank = 64

  private(set) var metadata: [String: String] = [:]
  private(set) var entries: [String: Entry] = [:]

  /// Reads the header in `range` of `file`. Rules SAFETENSORS-2, 3 and 7.
  init(_ file: MappedFile, in range: Range<Int>) throws(LMToolError) {
    self = try file.withBytes(range) { (bytes) throws(LMToolError) in
      try Self(JSONScanner(bytes, file: file.path, start: range.lowerBound))
    }
  }

  private init(_ text: JSONScanner) throws(LMToolError) {
    var text = text
    guard text.next == UInt8(ascii: "{") else { throw text.error("the header does not begin with {", rule: "SAFETENSORS-2") }
    try text.object { (name, text) throws(LMToolError) in
      if name == Self.metadataKey {
        try readMetadata(&text)
      } else if entries.updateValue(try Self.entry(&text), forKey: name) != nil {
        throw text.error("the tensor \(name.printable) is named twice", rule: "SAFETENSORS-7")
      }
    }
    try text.finish()
  }

  private mutating func readMetadata(_ text: inout JSONScanner) throws(LMToolError) {
    guard metadata.isEmpty else { throw text.error("\(Self.metadataKey) occurs twice", rule: "SAFETENSORS-7") }
    try text.object { (key, text) throws(LMToolError) in
      guard metadata.updateValue(try text.string(), forKey: key) == nil else {
        throw text.error("the metadata key \(key.printable) occurs twice", rule: "SAFETENSORS-7")
      }
    }
  }

  private static func entry(_ text: inout JSONScanner) throws(LMToolError) -> Entry {
    var entry = Entry()
    try text.object { (key, text) throws(LMToolError) in
      switch key {
      case "dtype" where entry.dtype == nil: entry.dtype = try text.string()
      case "shape" where entry.shape == nil: entry.shape = try text.integers(atMost: maximumRank)
      case "data_offsets" where entry.dataOffsets == nil: entry.dataOffsets = try text.integers(atMost: 2)
      default: throw text.error("the member \(key.printable) is unknown or occurs twice", rule: "SAFETENSORS-3")
      }
    }
    return entry
  }
}
