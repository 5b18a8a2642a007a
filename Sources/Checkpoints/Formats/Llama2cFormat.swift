import OrderedCollections
import Tensors

extension Llama2cFile: Checkpoint {
  /// The one file.
  public var files: [MappedFile] { [file] }
  /// The tensors in the order of the file.
  public var readers: OrderedDictionary<String, any TensorReader> { tensors }
}

/// llama2.c files: by their magic, or, as version 0 has none, by a header that asks for exactly the size of the file.
struct Llama2cFormat: CheckpointFormat {
  let kind = CheckpointKind.llama2c

  func recognizes(_ file: MappedFile) -> Bool { Llama2cHeader.hasMagic(file) || (try? Llama2cFile(file: file)) != nil }

  func open(_ path: String) throws(LMToolError) -> any Checkpoint { try Llama2cFile(path: path) }
}

extension MappedFile {
  /// Whether the file begins with `magic`.
  func begins(with magic: [UInt8]) -> Bool {
    count >= magic.count && withBytes(0..<magic.count) { $0.elementsEqual(magic) }
  }
}
