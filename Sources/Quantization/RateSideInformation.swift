import Kernels
import Tensors

/// What the rate matrices of an artifact share a blob for: their tables, and the parameters of each (`formats/rate.md`, RATE-8).
///
/// Numbers of one kind lie together, whatever matrix they belong to: so they pack best.
public struct RateSideInformation: Sendable, Equatable {
  /// The tables of all matrices.
  public let tables: RateTables
  /// The parameters of each matrix, in the order of the file.
  public let matrices: [RateParameters]

  /// Takes tables and parameters.
  ///
  /// - Throws: `badInput` when a matrix names a table set that is not there (RATE-8).
  public init(tables: RateTables, matrices: [RateParameters]) throws(LMToolError) {
    self.tables = tables
    self.matrices = matrices
    for matrix in matrices where matrix.set >= tables.sets.count {
      throw LMToolError(.badInput, "there is no table set \(matrix.set)", rule: "RATE-8")
    }
  }

  /// The bytes of the blob.
  public func encoded() -> [UInt8] {
    var bytes = tables.encoded()
    for shift in [0, 8, 16, 24] {
      bytes += matrices.map { UInt8(truncatingIfNeeded: $0.base.bitPattern >> UInt32(shift)) }
    }
    for shift in [0, 8] { bytes += matrices.map { UInt8(truncatingIfNeeded: $0.largest >> shift) } }
    bytes += matrices.map { UInt8($0.set) | $0.trellis.rawValue << 4 }
    for codes in Self.codes { for matrix in matrices { bytes += matrix[keyPath: codes] } }
    if matrices.contains(where: { $0.fine != nil }) {
      for matrix in matrices { bytes += matrix.fine?.rows ?? [UInt8](repeating: 0, count: matrix.rows) }
      for matrix in matrices { bytes += matrix.fine?.columns ?? [UInt8](repeating: 0, count: matrix.columns) }
    }
    for shift in [0, 8, 16, 24] {
      bytes += matrices.flatMap { $0.lengths.map { UInt8(truncatingIfNeeded: $0 >> UInt32(shift)) } }
    }
    return bytes
  }

  private static var codes: [KeyPath<RateParameters, [UInt8]>] {
    [\.rowSteps, \.columnSteps, \.contexts.rowCodes, \.contexts.columnCodes]
  }

  /// Reads the bytes of the blob, for matrices of these shapes [rows, columns].
  ///
  /// - Throws: `badInput` by rule RATE-2, RATE-7 or RATE-8.
  public init(encoded bytes: [UInt8], shapes: [[Int]]) throws(LMToolError) {
    var rest = bytes[...]
    let tables = try RateTables(removingFrom: &rest)
    let rows = shapes.map { $0[0] }
    let columns = shapes.map { $0[1] }
    let lanes = rows.map { ($0 + RateKernel.laneRows - 1) / RateKernel.laneRows }
    let lines = Self.sum(rows) + Self.sum(columns)
    let expected = 7 * shapes.count + 4 * Self.sum(lanes) + 2 * lines
    let hasFine = rest.count == expected + lines && lines > 0
    guard rest.count == expected || hasFine else {
      throw LMToolError(
        .badInput,
        "behind the tables are \(rest.count) bytes where the shapes demand \(expected), or \(expected + lines) with fine steps",
        rule: "RATE-8")
    }
    func take(_ count: Int) -> [UInt8] {
      defer { rest.removeFirst(count) }
      return Array(rest.prefix(count))
    }
    func integers(_ count: Int, width: Int) -> [UInt32] {
      var values = [UInt32](repeating: 0, count: count)
      for place in 0..<width {
        for (index, byte) in take(count).enumerated() { values[index] |= UInt32(byte) << UInt32(8 * place) }
      }
      return values
    }
    let bases = integers(shapes.count, width: 4)
    let largest = integers(shapes.count, width: 2)
    let sets = take(shapes.count)
    let rowSteps = rows.map(take)
    let columnSteps = columns.map(take)
    let rowCodes = rows.map(take)
    let columnCodes = columns.map(take)
    let fineRows = hasFine ? rows.map(take) : [], fineColumns = hasFine ? columns.map(take) : []
    var lengths = integers(Self.sum(lanes), width: 4)[...]
    var matrices: [RateParameters] = []
    for index in shapes.indices {
      guard let trellis = RateTrellis(rawValue: sets[index] >> 4) else {
        throw LMToolError(.badInput, "there is no trellis \(sets[index] >> 4); a later version may have it", rule: "RATE-8")
      }
      matrices.append(
        try RateParameters(
          base: Float(bitPattern: bases[index]), largest: Int(largest[index]), set: Int(sets[index] & 15), trellis: trellis,
          lengths: Array(lengths.prefix(lanes[index])), rowSteps: rowSteps[index], columnSteps: columnSteps[index],
          fine: hasFine ? RateFineCodes(rows: fineRows[index], columns: fineColumns[index]) : nil,
          contexts: RateContexts(rowCodes: rowCodes[index], columnCodes: columnCodes[index])))
      lengths = lengths.dropFirst(lanes[index])
    }
    try self.init(tables: tables, matrices: matrices)
  }

  private static func sum(_ numbers: [Int]) -> Int { numbers.reduce(0, +) }
}
