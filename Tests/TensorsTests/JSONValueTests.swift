import Tensors
import TestSupport
import Testing

/// JSON in and out, and errors that name the key.
struct JSONValueTests {
  private func decode<T: Decodable>(_ type: T.Type, _ text: String) throws -> T {
    try bytes(text).withUnsafeBytesTyped { (buffer) throws(LMToolError) in try decodeJSON(type, bytes: buffer) }
  }

  private struct Settings: Codable {
    struct Inner: Codable { var size: Int }
    var inner: Inner
  }

  @Test func everyKindOfValueSurvivesTheRoundTrip() throws {
    let value = JSONValue.object([
      "null": .null, "true": .bool(true), "int": .int(-7), "big": .int(.max), "double": .double(0.1), "text": .string("a/\"\n😀"),
      "array": .array([.int(1), .array([]), .object([:])]),
    ])
    let text = String(decoding: try encodeJSON(value), as: UTF8.self)
    #expect(try decode(JSONValue.self, text) == value)
  }

  @Test func keysAreSortedSoThatBytesAreTheSame() throws {
    let value = JSONValue.object(["b": .int(1), "a": .string("x/y"), "c": .null])
    #expect(String(decoding: try encodeJSON(value), as: UTF8.self) == #"{"a":"x/y","b":1,"c":null}"#)
  }

  @Test func numbersAreWhatTheySay() throws {
    let value = try decode(JSONValue.self, #"{"one": 1, "float": 1.0, "half": 0.5, "flag": true, "text": "1", "huge": 1e30}"#)
    #expect(value["one"]?.int == 1 && value["one"]?.double == 1)
    #expect(value["float"]?.int == 1)
    #expect(value["half"]?.int == nil && value["half"]?.double == 0.5)
    #expect(value["flag"]?.int == nil && value["flag"]?.bool == true)
    #expect(value["text"]?.int == nil && value["text"]?.string == "1")
    #expect(value["huge"]?.int == nil)
  }

  @Test func nullCountsAsAbsent() throws {
    let value = try decode(JSONValue.self, #"{"a": null, "b": [1]}"#)
    #expect(value["a"] == nil && value["c"] == nil)
    #expect(value["b"]?["a"] == nil)
    #expect(value["b"]?.array == [.int(1)])
  }

  @Test func errorsNameTheKey() throws {
    #expect(expectFailure(.badInput) { _ = try decode(Settings.self, #"{"inner": {}}"#) }?.message.contains("size") == true)
    let error = expectFailure(.badInput) { _ = try decode(Settings.self, #"{"inner": {"size": "big"}}"#) }
    #expect(error?.message.contains("at inner.size") == true)
  }

  @Test(arguments: ["", "{", "{\"a\": }", "[1, 2", "not json", "{\"a\": 1} x", "\u{0}"]) func brokenTextIsRefused(text: String)
    throws
  {
    expectFailure(.badInput) { _ = try decode(JSONValue.self, text) }
  }

  @Test func deepNestingIsRefusedOrRead() throws {
    for depth in [100, 100_000] {
      let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
      do { _ = try decode(JSONValue.self, text) } catch let error as LMToolError {
        #expect(error.code == .badInput && depth > 100)
      }
    }
  }

  @Test func errorsOfAFileNameTheFile() throws {
    let folder = TestFolder()
    let path = try folder.write("config.json", bytes("{"))
    let file = try MappedFile(path: path)
    #expect(expectFailure(.badInput) { _ = try decodeJSON(JSONValue.self, file: file) }?.file == path)
  }
}
