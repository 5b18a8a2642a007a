import Kernels
import Tensors

/// A rate matrix whose lanes are a run of bytes of some file.
public struct StoredRateTensor: EncodedRateTensorReader {
  /// The name of the matrix.
  public let name: String
  /// Its numbers and codes.
  public let parameters: RateParameters
  /// The tables that the matrix is coded with.
  public let tables: RateTables
  /// The steps, multiplied out.
  public let steps: RateSteps
  /// Bytes in the file.
  public let storedBytes: Int
  private let kernel: RateKernel
  private let slots: RateSlots
  private let lanes: any ByteSource
  /// Where each lane starts, and at the end where the last one ends.
  private let starts: [Int]

  /// Weights that are decoded at a time to be read as floats.
  private static let piece = 1 << 20
  /// Lanes that a thread decodes at a time at most.
  private static let lanesPerTask = 32

  /// A matrix of these parameters.
  ///
  /// - Parameters:
  ///   - slots: the table set of the parameters, laid out for the decoder.
  ///   - storedBytes: bytes in the file, where that is not the size of the lanes.
  /// - Throws: `badInput` when the lanes have another size than their lengths add up to (RATE-8).
  public init(
    name: String, parameters: RateParameters, tables: RateTables, slots: RateSlots, lanes: any ByteSource,
    storedBytes: Int? = nil
  ) throws(LMToolError) {
    guard lanes.count == parameters.laneBytes else {
      throw LMToolError(
        .badInput, "the lanes have \(lanes.count) bytes where their lengths add up to \(parameters.laneBytes)",
        at: .tensor(name), rule: "RATE-8")
    }
    self.name = name
    self.parameters = parameters
    self.tables = tables
    self.slots = slots
    self.lanes = lanes
    self.storedBytes = storedBytes ?? lanes.count
    steps = parameters.steps
    kernel = parameters.kernel
    var start = 0
    starts =
      [0]
      + parameters.lengths.map { length in
        start += Int(length)
        return start
      }
  }

  /// [rows, columns].
  public var shape: [Int] { parameters.shape }
  /// "rate".
  public var storage: Storage { .quantized("rate") }
  /// No value is larger in magnitude.
  public var largest: Int { parameters.largest }

  /// Gives back the memory that reading took.
  public func discard() { lanes.discard() }

  /// Decodes the values of some lanes.
  public func readValues(lanes: Range<Int>, into values: UnsafeMutablePointer<Int16>) throws(LMToolError) {
    try decode(lanes) { lanes, bytes, lengths, row in
      kernel.decode(
        lanes: lanes, slots, bytes: bytes, lengths: lengths, largest: largest, into: values + row * parameters.columns)
    }
  }

  /// Decodes the values of some lanes into bytes.
  public func readValues(lanes: Range<Int>, into values: UnsafeMutablePointer<Int8>) throws(LMToolError) {
    try decode(lanes) { lanes, bytes, lengths, row in
      kernel.decode(
        lanes: lanes, slots, bytes: bytes, lengths: lengths, largest: largest, into: values + row * parameters.columns)
    }
  }

  /// The matrix as it is stored.
  public func readEncoded() throws(LMToolError) -> EncodedRateMatrix {
    try EncodedRateMatrix(parameters: parameters, lanes: try lanes.elements(bytes: 0..<lanes.count))
  }

  /// The matrix with its indices.
  public func readMatrix() throws(LMToolError) -> RateMatrix {
    var failure: LMToolError?
    let indices = [Int16](unsafeUninitializedCapacity: count) { buffer, initialized in
      do throws(LMToolError) {
        guard let values = buffer.baseAddress else { return }
        try readValues(lanes: 0..<kernel.lanes, into: values)
        kernel.indices(inPlace: values)
        initialized = count
      } catch { failure = error }
    }
    if let failure { throw failure }
    return RateMatrix(
      rows: parameters.rows, columns: parameters.columns, trellis: parameters.trellis, indices: indices,
      contexts: parameters.contexts, base: parameters.base, rowSteps: parameters.rowSteps, columnSteps: parameters.columnSteps)
  }

  /// Decodes everything once and keeps nothing.
  ///
  /// - Throws: `badInput` when a lane is damaged (RATE-6).
  public func verifyLanes() throws(LMToolError) {
    try forEachPiece(of: 0..<kernel.lanes) { _, _ in }
  }

  /// The elements of `range` as floats, about a million at a time.
  public func read(_ range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) throws(LMToolError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= count && output.count == range.count, "range outside the tensor")
    guard !range.isEmpty else { return }
    let laneCount = RateKernel.laneRows * parameters.columns
    let wanted = (range.lowerBound / laneCount)..<((range.upperBound + laneCount - 1) / laneCount)
    try forEachPiece(of: wanted) { rows, values in scale(values, rows: rows, within: range, into: output) }
  }

  /// Decodes some lanes, about a million values at a time; `body` receives rows and their values.
  private func forEachPiece(
    of range: Range<Int>, _ body: (Range<Int>, UnsafePointer<Int16>) -> Void
  ) throws(LMToolError) {
    let laneCount = RateKernel.laneRows * parameters.columns
    let step = max(1, Self.piece / laneCount)
    let values = UnsafeMutablePointer<Int16>.allocate(capacity: min(step, range.count) * laneCount)
    defer { values.deallocate() }
    for first in stride(from: range.lowerBound, to: range.upperBound, by: step) {
      let lanes = first..<min(first + step, range.upperBound)
      try readValues(lanes: lanes, into: values)
      body(kernel.rows(ofLanes: lanes), values)
    }
  }

  /// Multiplies the values of `rows` that lie in `range` with their steps.
  private func scale(
    _ values: UnsafePointer<Int16>, rows: Range<Int>, within range: Range<Int>, into output: UnsafeMutableBufferPointer<Float>
  ) {
    let columns = parameters.columns
    steps.columns.withUnsafeBufferPointer { columnSteps in
      for row in rows {
        let wanted = ((row * columns)..<((row + 1) * columns)).clamped(to: range)
        let rowStep = steps.rows[row]
        for place in wanted {
          let value = Float(values[place - rows.lowerBound * columns])
          output[place - range.lowerBound] = value * rowStep * columnSteps[place - row * columns]
        }
      }
    }
  }

  /// Reads the bytes of some lanes and decodes them, a few lanes to a thread.
  ///
  /// - Parameter body: receives lanes, their bytes and lengths, and their first row, counted from that of the first lane.
  private func decode(
    _ range: Range<Int>,
    _ body: (_ lanes: Range<Int>, _ bytes: UnsafePointer<UInt8>, _ lengths: UnsafePointer<UInt32>, _ row: Int) -> Bool
  ) throws(LMToolError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= kernel.lanes, "lanes outside the tensor")
    let first = starts[range.lowerBound]
    let count = starts[range.upperBound] - first
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: count + RateKernel.slack, alignment: 16)
    defer { bytes.deallocate() }
    bytes[count...].initializeMemory(as: UInt8.self, repeating: 0)
    try lanes.read(first..<(first + count), into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]))
    let threads = ThreadPool.shared.threads
    let step = min(Self.lanesPerTask, max(1, (range.count + threads - 1) / threads))
    try parameters.lengths.withUnsafeBufferPointer { (lengths) throws(LMToolError) in
      try ThreadPool.shared.forEach((range.count + step - 1) / step) { (task) throws(LMToolError) in
        let lanes = (range.lowerBound + task * step)..<min(range.lowerBound + (task + 1) * step, range.upperBound)
        let start = bytes.baseAddress! + (starts[lanes.lowerBound] - first)
        let isSound = body(
          lanes, start.assumingMemoryBound(to: UInt8.self), lengths.baseAddress! + lanes.lowerBound,
          (lanes.lowerBound - range.lowerBound) * RateKernel.laneRows)
        if !isSound {
          throw LMToolError(.badInput, "the lanes cannot be decoded; the file is damaged", at: .tensor(name), rule: "RATE-6")
        }
      }
    }
  }
}
