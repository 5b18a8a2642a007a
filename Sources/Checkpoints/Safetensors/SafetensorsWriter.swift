import Tensors

/// A tensor that a safetensors file will hold.
public struct SafetensorsEntry: Sendable, Equatable {
  /// The name.
  public var name: String
  /// The element type.
  public var dtype: DType
  /// Dimensions, outermost first.
  public var shape: [Int]

  /// Makes an entry.
  public init(name: String, dtype: DType, shape: [Int]) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
  }
}

/// Writes a safetensors file as a stream: all tensors are declared first, then come their elements in the same order, in
/// pieces of any size. The file appears under its name with `finish`, or not at all. See SAFETENSORS-12.
public final class SafetensorsWriter {
  private let output: OutputFile
  private let entries: [SafetensorsEntry]
  private var declared: DeclaredTensors

  /// Creates the file and writes its header.
  ///
  /// - Throws: `badInput` for names that occur twice, shapes that overflow, or a header over the limit; `cannotCreate`.
  public init(path: String, entries: [SafetensorsEntry], metadata: [String: String] = [:]) throws(LMToolError) {
    self.entries = entries
    declared = DeclaredTensors(try Self.sizes(of: entries, path: path))
    let header = try Self.header(entries, declared.tensors.map(\.size), metadata)
    guard header.count - 8 <= SafetensorsFile.maximumHeaderSize else {
      throw LMToolError(.badInput, "the header would be larger than other tools read", file: path, rule: "SAFETENSORS-1")
    }
    output = try OutputFile(path: path)
    try output.write(header)
  }

  /// Appends stored bytes of the current tensor, as they are.
  ///
  /// - Throws: `bug` when they are more than the tensor lacks; `inputOutput`.
  public func write(raw bytes: UnsafeRawBufferPointer) throws(LMToolError) {
    try declared.add(bytes.count)
    try output.write(bytes)
  }

  /// Appends elements of the current tensor, converted to its type (F64, F32, F16 or BF16) with rounding to nearest even.
  ///
  /// - Throws: `bug` when they are more than the tensor lacks, or its type is no float type; `inputOutput`.
  public func write(floats: UnsafeBufferPointer<Float>) throws(LMToolError) {
    guard declared.index < entries.count else {
      if floats.isEmpty { return }
      throw LMToolError(.bug, "floats were written after the last tensor")
    }
    try entries[declared.index].dtype.narrow(floats) { (bytes) throws(LMToolError) in try write(raw: bytes) }
  }

  /// Makes the file durable and gives it its name.
  ///
  /// - Throws: `bug` when elements are missing; `cannotCreate`, `inputOutput`.
  public func finish() throws(LMToolError) {
    try declared.checkComplete()
    try output.commit()
  }

  private static func sizes(
    of entries: [SafetensorsEntry], path: String
  ) throws(LMToolError) -> [(name: String, size: Int)] {
    var names: Set<String> = [SafetensorsHeader.metadataKey]
    var sizes: [(name: String, size: Int)] = []
    for entry in entries {
      guard names.insert(entry.name).inserted else {
        throw LMToolError(
          .badInput, "the name is taken already", file: path, at: .tensor(entry.name), rule: "SAFETENSORS-7")
      }
      guard let count = elementCount(entry.shape),
        case (let size, false) = count.multipliedReportingOverflow(by: entry.dtype.size)
      else {
        throw LMToolError(.badInput, "the shape is too large", file: path, at: .tensor(entry.name), rule: "SAFETENSORS-5")
      }
      sizes.append((entry.name, size))
    }
    return sizes
  }

  private static func header(
    _ entries: [SafetensorsEntry], _ sizes: [Int], _ metadata: [String: String]
  ) throws(LMToolError) -> [UInt8] {
    var members: [String] = []
    if !metadata.isEmpty { members.append("\"\(SafetensorsHeader.metadataKey)\":\(try json(metadata))") }
    var offset = 0
    for (entry, size) in zip(entries, sizes) {
      let (end, overflow) = offset.addingReportingOverflow(size)
      guard !overflow else {
        throw LMToolError(.badInput, "the tensors are too large together", at: .tensor(entry.name), rule: "SAFETENSORS-5")
      }
      let shape = entry.shape.map(String.init).joined(separator: ",")
      members.append(
        "\(try json(entry.name)):{\"dtype\":\"\(entry.dtype.rawValue)\",\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(end)]}"
      )
      offset = end
    }
    var text = Array("{\(members.joined(separator: ","))}".utf8)
    text += [UInt8](repeating: UInt8(ascii: " "), count: (64 - (text.count + 8) % 64) % 64)
    return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
  }

  private static func json(_ text: String) throws(LMToolError) -> String {
    String(decoding: try encodeJSON(text), as: UTF8.self)
  }

  private static func json(_ metadata: [String: String]) throws(LMToolError) -> String {
    var members: [String] = []
    for (key, value) in metadata.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      members.append("\(try json(key)):\(try json(value))")
    }
    return "{\(members.joined(separator: ","))}"
  }
}
