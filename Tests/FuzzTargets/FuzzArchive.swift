/// A sound archive, as `torch.save` writes it, around a pickle and a storage of 64 floats.
enum FuzzArchive {
  static func file(pickle: [UInt8]) -> [UInt8] {
    var file: [UInt8] = [], directory: [UInt8] = []
    let members = [("a/data.pkl", pickle), ("a/data/0", [UInt8](repeating: 0x3F, count: 256))]
    for (name, content) in members {
      let size = number(content.count, 4), length = number(name.utf8.count, 2), offset = number(file.count, 4)
      let common = number(0, 2) + number(0, 2) + number(0, 8) + size + size + length + number(0, 2)
      directory +=
        [0x50, 0x4B, 1, 2] + number(0, 4) + common + number(0, 2) + number(0, 2) + number(0, 6) + offset + Array(name.utf8)
      file += [0x50, 0x4B, 3, 4] + number(0, 2) + common + Array(name.utf8) + content
    }
    let end = number(members.count, 2) + number(members.count, 2) + number(directory.count, 4) + number(file.count, 4)
    return file + directory + [0x50, 0x4B, 5, 6] + number(0, 4) + end + number(0, 2)
  }

  /// A number of `size` bytes, little-endian.
  private static func number(_ value: Int, _ size: Int) -> [UInt8] {
    (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }
}
