import Testing
import lmtool

@Test func columnsAreAlignedAndLinesEndWithoutSpaces() {
  var table = Table(.left("name"), .right("bytes"), .left("verdict"))
  table.add("a", "12", Table.Cell("PASS", .green))
  table.add("longer name", "40.0 MB")
  table.add("", "7")
  #expect(
    table.text() == """
      name           bytes  verdict
      -----------  -------  -------
      a                 12  PASS
      longer name  40.0 MB
                         7

      """)
}

@Test func aTableWithoutTitlesHasNoHeader() {
  var table = Table(.left(), .left())
  table.add("layers", "30")
  table.add("width", "576")
  #expect(table.text() == "layers  30\nwidth   576\n")
}

@Test func styleDoesNotMoveColumns() {
  var table = Table(.left(), .right(), .left())
  table.add(Table.Cell("hash", .red), "1", "x")
  #expect(table.text(isColored: true) == "\u{1B}[31mhash\u{1B}[0m  1  x\n")
}

@Test func controlCharactersOfHostileNamesAreNotPrinted() {
  var table = Table(.left())
  table.add("evil\u{1B}[2J\nname")
  #expect(table.text() == "evil\u{FFFD}[2J\u{FFFD}name\n")
}

@Test func longNamesAreCutWhereTheyWouldWidenEveryRow() {
  var table = Table(.left(), .left())
  let long = String(repeating: "n", count: 5000)
  table.add(Table.Cell(long), Table.Cell(long))
  #expect(table.text() == String(repeating: "n", count: 200) + "…  " + String(repeating: "n", count: 2000) + "\n")
}
