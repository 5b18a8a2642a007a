import OrderedCollections
import Tensors

/// A tensor that a GGUF file will hold.
public struct GGUFTensorEntry: Sendable, Equatable {
  /// The name, at most 63 bytes.
  public var name: String
  /// Dimensions, outermost first.
  public var shape: [Int]
  /// The element type.
  public var type: GGMLType

  /// Makes an entry.
  public init(name: String, shape: [Int], type: GGMLType) {
    self.name = name
    self.shape = shape
    self.type = type
  }
}

/// Writes a GGUF file of version 3 as a stream: metadata and tensors are declared first, then come the stored bytes of the
/// tensors in the same order, in pieces of any size. The file appears under its name with `finish`, or not at all. See
/// GGUF-15.
public final class GGUFWriter {
  private let output: OutputFile
  private let alignment: Int
  private let entries: [GGUFTensorEntry]
  private var declared: DeclaredTensors

  /// Creates the file and writes everything before the data.
  ///
  /// - Throws: `badInput` for metadata or tensors that GGUF cannot hold; `cannotCreate`.
  public init(
    path: String, metadata: OrderedDictionary<String, GGUFValue>, tensors: [GGUFTensorEntry]
  ) throws(LMToolError) {
    alignment = try ggufAlignment(metadata, file: path)
    entries = tensors
    var header = GGUFHeaderBytes(path: path)
    try header.append(metadata: metadata, tensorCount: tensors.count)
    declared = DeclaredTensors(try header.append(tensors, alignment: alignment))
    output = try OutputFile(path: path)
    try output.write(header.bytes)
    try pad()
  }

  /// Appends stored bytes of the current tensor, as they are.
  ///
  /// - Throws: `bug` when they are more than the tensor lacks; `inputOutput`.
  public func write(raw bytes: UnsafeRawBufferPointer) throws(LMToolError) {
    try declared.add(bytes.count)
    try output.write(bytes)
    if declared.written == 0 { try pad() }
  }

  /// Appends elements of the current tensor, converted to its type (F64, F32, F16 or BF16) with rounding to nearest even.
  ///
  /// - Throws: `bug` when they are more than the tensor lacks, or its type is no float type; `inputOutput`.
  public func write(floats: UnsafeBufferPointer<Float>) throws(LMToolError) {
    guard declared.index < entries.count, let dtype = entries[declared.index].type.plain else {
      if floats.isEmpty { return }
      throw LMToolError(.bug, "floats were written where quantized blocks or the end of the file were expected")
    }
    try dtype.narrow(floats) { (bytes) throws(LMToolError) in try write(raw: bytes) }
  }

  /// Makes the file durable and gives it its name.
  ///
  /// - Throws: `bug` when bytes are missing; `cannotCreate`, `inputOutput`.
  public func finish() throws(LMToolError) {
    try declared.checkComplete()
    try output.commit()
  }

  private func pad() throws(LMToolError) {
    try output.write([UInt8](repeating: 0, count: padded(output.count, to: alignment) - output.count))
  }
}
