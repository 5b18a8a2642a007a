import Kernels
import Models
import Quantization
import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A folder that keeps every matrix as soon as it is quantized, so that a compression that was interrupted goes on where it was.
///
/// It belongs to one model, goal and set of options, which its file `job` names; matrices are whole or not there (`OutputFile`).
final class RateWork {
  /// The folder.
  let folder: JobFolder

  /// Opens or makes the folder at `path` for a job that writes `output`.
  ///
  /// - Throws: what `JobFolder` throws.
  init(path: String, job: String, output: String) throws(LMToolError) {
    folder = try JobFolder(path: path, job: job, output: output)
  }

  private var path: String { folder.path }
  /// Where the calibration is kept.
  var calibration: String { path + "/calibration.safetensors" }
  /// Makes the folder for matrices that are fitted anew when parts of layers go, unless it is there.
  ///
  /// - Returns: its path.
  /// - Throws: `cannotCreate`.
  func makeStructureFolder() throws(LMToolError) -> String {
    let folder = path + "/structure"
    guard mkdir(folder, 0o755) == 0 || errno == EEXIST else {
      throw LMToolError.system(.cannotCreate, "cannot create a folder for fitted matrices", file: folder)
    }
    return folder
  }

  /// Whether a calibration is kept.
  var hasCalibration: Bool { access(calibration, F_OK) == 0 }

  /// Which attempt at the goal its matrices belong to, counted from 1. Whoever goes on later makes the same attempts again, from what is kept
  /// of each.
  private var attempt = 0

  /// Goes on to the next attempt, whose matrices are others.
  func beginAttempt() { attempt += 1 }

  private func file(_ name: String) -> String {
    "\(path)/\(attempt)-\(name.map { $0 == "/" ? "_" : String($0) }.joined()).matrix"
  }

  /// Whether a matrix is kept.
  func has(_ name: String) -> Bool { access(file(name), F_OK) == 0 }

  /// Keeps a matrix that was quantized at a level.
  func save(_ name: String, _ matrix: RateMatrix, level: Double) throws(LMToolError) {
    var bytes = [matrix.rows, matrix.columns].flatMap { Self.bytes(UInt64($0)) }
    bytes += Self.bytes(level.bitPattern) + Self.bytes(UInt64(matrix.base.bitPattern))
    bytes += Self.bytes(UInt64(matrix.trellis.rawValue))
    bytes += matrix.rowSteps + matrix.columnSteps + matrix.contexts.rowCodes + matrix.contexts.columnCodes
    for index in matrix.indices {
      bytes.append(UInt8(truncatingIfNeeded: index))
      bytes.append(UInt8(truncatingIfNeeded: index >> 8))
    }
    let output = try OutputFile(path: file(name))
    try output.write(Array(Digest.hex(bytes).utf8) + bytes)
    try output.commit()
  }

  /// Reads a matrix that was kept.
  ///
  /// - Throws: `badInput` when the file is not what `save` wrote.
  func load(_ name: String, shape: [Int]) throws(LMToolError) -> (RateMatrix, level: Double) {
    let file = try MappedFile(path: file(name)), rows = shape[0], columns = shape[1]
    let size = 64 + 40 + 2 * (rows + columns) + 2 * rows * columns
    func damaged() -> LMToolError {
      LMToolError(.badInput, "a kept matrix is damaged; remove the file to have it made again", file: file.path)
    }
    guard file.count == size else { throw damaged() }
    let all = file.withBytes(0..<file.count) { [UInt8]($0) }
    let bytes = Array(all[64...])
    guard Array(Digest.hex(bytes).utf8) == Array(all[..<64]) else { throw damaged() }
    func number(_ at: Int) -> UInt64 { (0..<8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64(bytes[8 * at + $1]) } }
    guard number(0) == rows, number(1) == columns, let trellis = RateTrellis(rawValue: UInt8(truncatingIfNeeded: number(4)))
    else { throw damaged() }
    var next = 40
    func take(_ count: Int) -> [UInt8] {
      defer { next += count }
      return Array(bytes[next..<next + count])
    }
    let rowSteps = take(rows), columnSteps = take(columns)
    let contexts = RateContexts(rowCodes: take(rows), columnCodes: take(columns))
    let start = next
    let indices = (0..<rows * columns).map { (index: Int) -> Int16 in
      let low = UInt16(bytes[start + 2 * index]), high = UInt16(bytes[start + 2 * index + 1])
      return Int16(bitPattern: high << 8 | low)
    }
    let base = Float(bitPattern: UInt32(truncatingIfNeeded: number(3)))
    return (
      RateMatrix(
        rows: rows, columns: columns, trellis: trellis, indices: indices, contexts: contexts, base: base, rowSteps: rowSteps,
        columnSteps: columnSteps),
      level: Double(bitPattern: number(2))
    )
  }

  /// Removes the folder with everything in it: the work is done.
  func remove() { folder.remove() }

  private static func bytes(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
}
