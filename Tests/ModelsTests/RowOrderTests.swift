import Models
import Testing

/// The two orders of the rows of queries and keys.
struct RowOrderTests {
  @Test func interleavedRowsAreEvenThenOdd() {
    let order = RowOrder.halfFromInterleaved(headSize: 6)
    #expect((0..<12).map(order.source) == [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11])
  }

  @Test(arguments: [2, 4, 6, 64]) func theTwoOrdersUndoEachOther(size: Int) {
    let there = RowOrder.halfFromInterleaved(headSize: size), back = RowOrder.interleavedFromHalf(headSize: size)
    let rows = Array(0..<3 * size)
    #expect(rows.map { there.source(back.source($0)) } == rows)
    #expect(rows.map { back.source(there.source($0)) } == rows)
    #expect(rows.map(there.source).sorted() == rows)
  }
}
