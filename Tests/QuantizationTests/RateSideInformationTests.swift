import Kernels
import Quantization
import Tensors
import Testing

/// The bytes that rate matrices share.
struct RateSideInformationTests {
  private func sample() throws -> (bytes: [UInt8], information: RateSideInformation, shapes: [[Int]]) {
    let matrices = [try rateMatrix(65, 6), try rateMatrix(3, 40, trellis: .states8)]
    let tables = RateTables(try matrices.map { (matrix) throws(LMToolError) in try RateHistogram(matrix) })
    let parameters = try matrices.map { (matrix) throws(LMToolError) in
      try RateEncoder.encode(matrix, tables: tables).parameters
    }
    let information = try RateSideInformation(tables: tables, matrices: parameters)
    return (information.encoded(), information, parameters.map(\.shape))
  }

  private func refusal(_ bytes: [UInt8], _ shapes: [[Int]]) -> String? {
    rule { () throws(LMToolError) in _ = try RateSideInformation(encoded: bytes, shapes: shapes) }
  }

  /// Rules RATE-7 and RATE-8.
  @Test func whatIsWrittenIsRead() throws {
    let (bytes, information, shapes) = try sample()
    #expect(try RateSideInformation(encoded: bytes, shapes: shapes) == information)
    #expect(information.matrices.map(\.set) == [0, 1] && information.matrices.map(\.trellis) == [.states32, .states8])
    let share = information.matrices.map(\.sideBytes).reduce(0, +)
    #expect(bytes.count == information.tables.encoded().count + share)
  }

  /// Rules RATE-7 and RATE-8.
  @Test func whatIsCutOrExtendedIsRefused() throws {
    let (bytes, information, shapes) = try sample()
    let tables = information.tables.encoded().count
    for count in stride(from: 0, to: bytes.count, by: 7) {
      #expect(refusal(Array(bytes[..<count]), shapes) == (count < tables ? "RATE-7" : "RATE-8"), "\(count) bytes")
    }
    #expect(refusal(bytes + [0], shapes) == "RATE-8")
    #expect(refusal(bytes, [[65, 6]]) == "RATE-8")
  }

  /// Rule RATE-7.
  @Test func tablesThatMakeNoCodeAreRefused() throws {
    let (bytes, information, shapes) = try sample()
    let tables = information.tables.encoded().count
    var refused = 0
    for position in 0..<tables {
      var damaged = bytes
      damaged[position] ^= 1
      do throws(LMToolError) {
        let other = try RateSideInformation(encoded: damaged, shapes: shapes)
        #expect(other.tables != information.tables, "byte \(position)")  // symbols that moved are another code
      } catch {
        #expect(error.rule?.hasPrefix("RATE-") == true, "byte \(position)")
        refused += 1
      }
    }
    #expect(refused > tables * 8 / 10)
    for count: UInt8 in [0, 17, 255] { #expect(refusal([count] + bytes.dropFirst(), shapes) == "RATE-7") }
  }

  /// Rules RATE-2 and RATE-8.
  @Test func numbersOutOfRangeAreRefused() throws {
    let (bytes, information, shapes) = try sample()
    let start = information.tables.encoded().count
    func with(_ offset: Int, _ value: UInt8) -> [UInt8] {
      var bytes = bytes
      bytes[start + offset] = value
      return bytes
    }
    #expect(refusal(with(6, 0x7F), shapes) == "RATE-2")  // the highest byte of the first base
    #expect(refusal(with(10, 0x80), shapes) == "RATE-8")  // the high byte of the first largest value
    #expect(bytes[start + 12] == 0x20 && bytes[start + 13] == 1)  // trellises and table sets
    #expect(refusal(with(12, 0x22), shapes) == "RATE-8")
    for trellis: UInt8 in 0...15 { #expect((refusal(with(12, trellis << 4), shapes) == nil) == (trellis < 6)) }
    let length = bytes.count - start - 4 * 3  // the low byte of the first of three lengths; the bytes above it are at +3, +6, +9
    #expect(bytes[start + length + 6] == 0 && bytes[start + length + 9] == 0)
    #expect(refusal(with(length + 9, 1), shapes) == nil)  // it is the reader of the lanes that finds too many bytes
  }

  /// Rule RATE-5.
  @Test func standardTablesAreWholeAndDoNotChange() throws {
    let tables = RateTables.standard
    #expect(tables.sets.count == 1 && tables.sets[0].count == RateKernel.contexts * RateKernel.symbols)
    for start in stride(from: 0, to: tables.sets[0].count, by: RateKernel.symbols) {
      #expect(tables.sets[0][start..<(start + RateKernel.symbols)].reduce(0) { $0 + Int($1) } == 4096)
    }
    let center = RateKernel.reach + 1
    // Class 24, mean magnitude 1, even states: value 0 has two thirds, -2 and 2 are alike.
    let even = tables.sets[0][(48 * RateKernel.symbols)..<(49 * RateKernel.symbols)].map(Int.init)
    #expect((2680...2695).contains(even[center]) && abs(even[center - 1] - even[center + 1]) <= 1)
  }
}
