import OrderedCollections
import Tensors

/// The arrays of an `.npz` archive, or the one of an `.npy` file.
///
/// The rules are those of `formats/numpy.md`.
public struct NumPyCheckpoint: Checkpoint {
  /// The name of the archive in a model's folder.
  public static let fileName = "weights.npz"
  private static let suffix = ".npy"

  /// The one file.
  public let files: [MappedFile]
  /// The arrays in the order of the archive; that of an `.npy` file has the name of the file without ".npy".
  public let readers: OrderedDictionary<String, any TensorReader>

  /// Opens a file, or a folder with `weights.npz`.
  ///
  /// - Throws: `missingInput`, or `badInput` with the rule that the file breaks.
  public init(path: String) throws(LMToolError) {
    let file = try MappedFile(path: isFolder(path) ? path + "/" + Self.fileName : path)
    files = [file]
    guard !file.begins(with: NumPyHeader.magic) else {
      let name = Self.stem(String(file.path.dropFirst(parentFolder(of: file.path).count)))
      readers = [name: try Self.array(file, 0..<file.count, name)]
      return
    }
    var readers: OrderedDictionary<String, any TensorReader> = [:]
    let zip = try ZipArchive(file)
    for member in zip.members.keys {
      guard member.hasSuffix(Self.suffix), let range = try zip.content(of: member) else {
        throw NumPyHeader.broken(5, "the archive has a member that is no .npy file", file, member)
      }
      let name = Self.stem(member)
      readers[name] = try Self.array(file, range, name)
    }
    self.readers = readers
  }

  /// Whether an archive is one that `numpy.savez` wrote.
  static func recognizes(_ zip: ZipArchive) -> Bool {
    !zip.members.isEmpty && zip.members.keys.allSatisfy { $0.hasSuffix(suffix) }
  }

  private static func stem(_ name: String) -> String { name.hasSuffix(suffix) ? String(name.dropLast(suffix.count)) : name }

  /// Rule NUMPY-4.
  private static func array(_ file: MappedFile, _ range: Range<Int>, _ name: String) throws(LMToolError) -> any TensorReader {
    let header = try NumPyHeader(file, range, name: name)
    let data = header.end..<range.upperBound
    guard let count = elementCount(header.shape),
      case (let size, false) = count.multipliedReportingOverflow(by: header.dtype.size),
      size == data.count
    else {
      throw NumPyHeader.broken(
        4, "the shape \(header.shape) and \(header.dtype.rawValue) do not take the \(data.count) bytes of its elements", file,
        name)
    }
    let strided = StridedTensor(
      name: name, shape: header.shape, strides: strides(header), dtype: header.dtype, file: file, range: data,
      isBigEndian: header.isBigEndian)
    return strided.plain ?? strided
  }

  /// How far apart neighbours along each dimension lie; the product of the dimensions has been checked.
  private static func strides(_ header: NumPyHeader) -> [Int] {
    guard !header.shape.contains(0) else { return header.shape.map { _ in 0 } }
    var strides: [Int] = [], next = 1
    for dimension in header.isFortran ? header.shape : header.shape.reversed() {
      strides.append(next)
      next *= dimension
    }
    return header.isFortran ? strides : strides.reversed()
  }
}
