import OrderedCollections
import Tensors

/// An open PyTorch file: the tensors of its state dict. Opening interprets the pickle, without executing anything; tensors are read
/// in pieces.
///
/// The rules are those of `formats/pytorch.md`.
public struct PyTorchFile: Sendable {
  /// The file.
  public let file: MappedFile
  /// The tensors in the order of the state dict.
  public let tensors: OrderedDictionary<String, any TensorReader>
  /// What else is in the file, each by its key and what it is: "optimizer: a dict of 2".
  public let leftOut: [String]
  /// The simple values that lie beside the state dict, such as `model_args`.
  public let settings: JSONValue

  /// Opens and checks the file at `path`.
  ///
  /// - Throws: `missingInput`, or `badInput` with the rule that the file breaks.
  public init(path: String) throws(LMToolError) {
    try self.init(file: try MappedFile(path: path))
  }

  init(file: MappedFile) throws(LMToolError) {
    guard file.begins(with: ZipArchive.magic) else {
      throw LMToolError(
        .badInput,
        "this is a pickle without an archive, as PyTorch wrote it before version 1.6; load it with torch.load and save it again",
        file: file.path, rule: "TORCH-2")
    }
    let archive = try TorchArchive(try ZipArchive(file))
    var machine = try PickleMachine(file, archive.pickle, torch: TorchObjects(archive: archive))
    let root = try machine.run()
    let dict = try StateDict(root, machine.table, path: file.path)
    var data = PlainData(machine.table)
    self.file = file
    settings = data.json(root) ?? .null
    leftOut = dict.leftOut
    var tensors: OrderedDictionary<String, any TensorReader> = [:]
    for (name, tensor) in dict.tensors { tensors[name] = tensor.reader(name: name, of: archive) }
    self.tensors = tensors
  }
}
