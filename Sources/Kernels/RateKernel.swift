import CKernels

/// The entropy code of a rate matrix [rows, columns]: counting, encoding and decoding its lanes. `formats/rate.md` says what the
/// bytes mean, `rans.h` what the kernels do.
public struct RateKernel: Sendable {
  /// Rows of a lane.
  public static let laneRows = Int(LMK_RANS_LANE)
  /// What the frequencies of a context add up to.
  public static let total = Int(LMK_RANS_TOTAL)
  /// Classes of the expected magnitude, in quarter octaves.
  public static let classes = Int(LMK_RANS_CLASSES)
  /// Classes below have frequencies of their own; the others send low bits as they are.
  public static let models = Int(LMK_RANS_MODELS)
  /// The largest high part with a frequency.
  public static let reach = Int(LMK_RANS_REACH)
  /// Symbols of a context: the escape, then the high parts -reach...reach.
  public static let symbols = Int(LMK_RANS_SYMBOLS)
  /// Contexts of a table set: two for each model, and last the lengths of escaped high parts.
  public static let contexts = Int(LMK_RANS_CONTEXTS)
  /// The context of the lengths.
  public static let lengths = Int(LMK_RANS_LENGTHS)
  /// The longest length.
  public static let longest = Int(LMK_RANS_LONGEST)
  /// Counters of each context of a histogram: symbols, then lengths of high parts out of reach.
  public static let cells = Int(LMK_RANS_CELLS)
  /// Bytes that must be readable behind the segments that are decoded.
  public static let slack = Int(LMK_RANS_SLACK)
  /// The largest magnitude of a value.
  public static let largest = Int(LMK_RANS_LARGEST)

  /// Rows of the matrix.
  public let rows: Int
  /// Columns of the matrix.
  public let columns: Int
  private let rowCodes: [UInt8]
  private let columnCodes: [UInt8]
  private let trellis: RateTrellis

  /// A matrix whose spread has these codes, one for each row and one for each column.
  public init(rowCodes: [UInt8], columnCodes: [UInt8], trellis: RateTrellis) {
    self.trellis = trellis
    rows = rowCodes.count
    columns = columnCodes.count
    self.rowCodes = rowCodes
    self.columnCodes = columnCodes
  }

  /// Lanes of the matrix.
  public var lanes: Int { (rows + Self.laneRows - 1) / Self.laneRows }

  /// Rows of some lanes.
  public func rows(ofLanes lanes: Range<Int>) -> Range<Int> {
    (lanes.lowerBound * Self.laneRows)..<min(lanes.upperBound * Self.laneRows, rows)
  }

  /// Counts the symbols of `lanes` in `counts`, [lengths][cells], and adds the bits that are sent as they are to `raw`.
  ///
  /// - Parameter indices: [rows][columns] of the whole matrix.
  /// - Returns: the largest magnitude of a value, nil when one is above `largest`.
  public func count(
    _ indices: UnsafePointer<Int16>, lanes: Range<Int>, into counts: UnsafeMutablePointer<UInt64>, raw: inout UInt64
  ) -> Int? {
    let found = withMatrix { lmk_rans_count($0, indices, lanes.lowerBound, lanes.upperBound, counts, &raw) }
    return found < 0 ? nil : Int(found)
  }

  /// The values that the indices of `lanes` stand for; both [rows][columns] of the whole matrix.
  ///
  /// - Returns: the largest magnitude of a value, nil when one is above `largest`.
  public func values(
    _ indices: UnsafePointer<Int16>, lanes: Range<Int>, into values: UnsafeMutablePointer<Int16>
  ) -> Int? {
    let found = withMatrix { lmk_rans_values($0, indices, lanes.lowerBound, lanes.upperBound, values) }
    return found < 0 ? nil : Int(found)
  }

  /// Turns the values of the whole matrix back into the indices that they came from.
  public func indices(inPlace values: UnsafeMutablePointer<Int16>) { withMatrix { lmk_rans_indices($0, values) } }

  /// The segment of one lane; nil when a value is above `largest`.
  ///
  /// - Parameters:
  ///   - indices: [rows][columns] of the whole matrix.
  ///   - frequencies: [contexts][symbols]; each context adds up to `total` and has an escape, and every length has a frequency.
  public func encode(_ indices: UnsafePointer<Int16>, lane: Int, frequencies: UnsafePointer<UInt16>) -> [UInt8]? {
    withMatrix { matrix in
      let bound = lmk_rans_bound(matrix)
      let scratch = UnsafeMutableRawPointer.allocate(byteCount: lmk_rans_scratch(matrix) + bound, alignment: 16)
      defer { scratch.deallocate() }
      let segment = (scratch + lmk_rans_scratch(matrix)).assumingMemoryBound(to: UInt8.self)
      let count = lmk_rans_encode(matrix, frequencies, indices, lane, scratch, segment)
      return count == 0 ? nil : Array(UnsafeBufferPointer(start: segment, count: count))
    }
  }

  /// Decodes the values of some lanes into [rows of the lanes][columns].
  ///
  /// - Parameters:
  ///   - bytes: the segments of the lanes, one after the other; `slack` bytes behind them must be readable.
  ///   - lengths: bytes of each segment.
  ///   - largest: no value may be larger in magnitude.
  /// - Returns: false when a segment is damaged; the values are of no use then.
  public func decode(
    lanes: Range<Int>, _ slots: RateSlots, bytes: UnsafePointer<UInt8>, lengths: UnsafePointer<UInt32>, largest: Int,
    into values: UnsafeMutablePointer<Int16>
  ) -> Bool {
    withJob(lanes, slots, bytes, lengths, largest) { lmk_rans_decode_i16($0, values) != 0 }
  }

  /// The same into bytes.
  ///
  /// - Precondition: `largest` is at most 127.
  public func decode(
    lanes: Range<Int>, _ slots: RateSlots, bytes: UnsafePointer<UInt8>, lengths: UnsafePointer<UInt32>, largest: Int,
    into values: UnsafeMutablePointer<Int8>
  ) -> Bool {
    precondition(largest <= 127, "the values need more than eight bits")
    return withJob(lanes, slots, bytes, lengths, largest) { lmk_rans_decode_i8($0, values) != 0 }
  }

  private func withMatrix<Result>(_ body: (UnsafePointer<lmk_rans_matrix>) -> Result) -> Result {
    rowCodes.withUnsafeBufferPointer { row in
      columnCodes.withUnsafeBufferPointer { column in
        let matrix = lmk_rans_matrix(
          rows: rows, columns: columns, row_codes: row.baseAddress, column_codes: column.baseAddress,
          trellis: Int32(trellis.rawValue))
        return withUnsafePointer(to: matrix, body)
      }
    }
  }

  private func withJob(
    _ lanes: Range<Int>, _ slots: RateSlots, _ bytes: UnsafePointer<UInt8>, _ lengths: UnsafePointer<UInt32>, _ largest: Int,
    _ body: (UnsafePointer<lmk_rans_job>) -> Bool
  ) -> Bool {
    withMatrix { matrix in
      let job = lmk_rans_job(
        matrix: matrix, slots: slots.slots, first: lanes.lowerBound, last: lanes.upperBound, bytes: bytes, lengths: lengths,
        largest: Int32(largest))
      return withUnsafePointer(to: job, body)
    }
  }
}

/// The frequencies of a table set as the decoder reads them: 1.3 MB.
public final class RateSlots: Sendable {
  fileprivate nonisolated(unsafe) let slots: UnsafeMutablePointer<UInt32>

  /// Lays out [contexts][symbols] frequencies.
  ///
  /// - Precondition: those of each context add up to `RateKernel.total`.
  public init(frequencies: [UInt16]) {
    precondition(frequencies.count == RateKernel.contexts * RateKernel.symbols, "a table set has all contexts")
    slots = .allocate(capacity: RateKernel.contexts * RateKernel.total)
    slots.initialize(repeating: 0, count: RateKernel.contexts * RateKernel.total)
    lmk_rans_slots(frequencies, slots)
  }

  deinit { slots.deallocate() }
}
