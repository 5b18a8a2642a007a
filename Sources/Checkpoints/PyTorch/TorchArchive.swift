import OrderedCollections
import Tensors

/// The members of an archive that `torch.save` wrote. Rules TORCH-1 and TORCH-2 of `formats/pytorch.md`.
struct TorchArchive: Sendable {
  private static let pickleName = "data.pkl"

  let zip: ZipArchive
  /// The pickle.
  let pickle: Range<Int>
  /// Whether elements are stored with their highest byte first.
  let isBigEndian: Bool
  /// The folder of all members, with a slash at its end.
  private let folder: String

  var file: MappedFile { zip.file }

  init(_ zip: ZipArchive) throws(LMToolError) {
    let path = zip.file.path
    let folders = zip.members.keys.compactMap { Self.folder(ofPickle: $0) }
    guard folders.count == 1, let folder = folders.first else {
      throw LMToolError(
        .badInput, "the archive has \(folders.count) members NAME/data.pkl, not one; it is no PyTorch checkpoint", file: path,
        rule: "TORCH-1")
    }
    try Self.refusePrograms(zip, folder)
    self.zip = zip
    self.folder = folder
    pickle = try zip.content(of: folder + Self.pickleName) ?? 0..<0
    isBigEndian = try Self.isBigEndian(zip, folder)
  }

  /// Whether an archive looks like one that `torch.save` wrote.
  static func recognizes(_ zip: ZipArchive) -> Bool { zip.members.keys.contains { folder(ofPickle: $0) != nil } }

  /// The bytes of a storage.
  func storage(_ key: String) throws(LMToolError) -> Range<Int>? { try zip.content(of: folder + "data/" + key) }

  /// "NAME/" for "NAME/data.pkl".
  private static func folder(ofPickle name: String) -> String? {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    return parts.count == 2 && parts[1] == pickleName ? parts[0] + "/" : nil
  }

  private static func refusePrograms(_ zip: ZipArchive, _ folder: String) throws(LMToolError) {
    func has(_ part: String) -> Bool { zip.members.keys.contains { $0.hasPrefix(folder + part) } }
    let kind = has("constants.pkl") || has("code/") ? "TorchScript" : has("archive_format") ? "torch.export" : nil
    if let kind {
      throw LMToolError(
        .badInput, "this is a \(kind) archive, a program with its weights; save the state dict of the model instead",
        file: zip.file.path, rule: "TORCH-2")
    }
  }

  private static func isBigEndian(_ zip: ZipArchive, _ folder: String) throws(LMToolError) -> Bool {
    guard let range = try zip.content(of: folder + "byteorder") else { return false }
    let order = zip.file.withBytes(range) { String(decoding: $0.prefix(16), as: UTF8.self) }
    guard order == "little" || order == "big" else {
      throw LMToolError(
        .badInput, "the byte order is \(order.printable), not little or big", file: zip.file.path, at: .key(folder + "byteorder"),
        rule: "TORCH-1")
    }
    return order == "big"
  }
}
