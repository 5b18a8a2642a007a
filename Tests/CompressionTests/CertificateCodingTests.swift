import Compression
import Models
import Tensors
import TestSupport
import Testing

/// The record of quality as bytes: what is written is read, and what breaks a rule is refused by its number.
struct CertificateCodingTests {
  /// The JSON of a small record, as it is written.
  private static let json = #"""
    {"entries":2,"figures":{"best":0.95,"best_before":0.9,"bits_per_byte":1.1,"bits_per_byte_before":1,"divergence":0.1,"divergence_99":0.5,\
    "overlap":0.8,"top_agreement":0.9},"original":"00","original_speech":{"distinct":0.7,"empty":0,"greedy_repetition":0.2,\
    "nats_per_byte":0.5,"repetition":0.1},"probes":[{"bytes":5,"gaps":[2,2],"ids":[3,4,5,6],"name":"story","nats":4,"start":1,\
    "text":"a b c"}],"prompts":[{"greedy":[4,5],"ids":[3],"original":"b","samples":[[4],[]],"text":"a"}],"sampling":{"length":8,\
    "samples":2,"seed":1,"temperature":0.8,"top_k":40},"speech":{"distinct":0.7,"empty":0,"greedy_repetition":0.2,\
    "nats_per_byte":0.5,"repetition":0.1},"version":1,"vocabulary":300}
    """#.replacing("\\\n", with: "")
  /// Its two references: tokens 299 and 4, 5 and 0. Planes: the low bytes of the ids, then the middle ones, then the high ones;
  /// logarithms likewise; falls.
  private static let columns: [UInt8] = [43, 4, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 32, 0, 255]
  private static let bytes = [UInt8(json.utf8.count & 255), UInt8(json.utf8.count >> 8), 0, 0] + Array(json.utf8) + columns

  @Test func whatIsReadIsWritten() throws {  // CERT-1, CERT-2
    let record = try Certificate(encoded: Self.bytes)
    #expect(record.head.probes[0].positions == [1, 3])
    #expect(record.references[0].map(\.ids) == [[299, 4], [5, 0]])
    #expect(record.references[0].map(\.first) == [513, 0])
    #expect(try record.encoded() == Self.bytes)
  }

  @Test func aReferenceKnowsItsProbabilities() throws {
    let (probabilities, tail) = try Certificate(encoded: Self.bytes).references[0][1].probabilities
    // e^0 and e^-8 are more than 1 together.
    #expect(abs(probabilities[0] - 0.99966) < 1e-5 && abs(probabilities[1] - 0.00034) < 1e-5 && tail == 0)
  }

  @Test func lengthsMustFit() {  // CERT-1
    let good = Self.bytes
    let cases: [[UInt8]] = [[], [1, 2, 3], Array(good.dropLast()), good + [0], [255, 255, 255, 255] + Array(good.dropFirst(4))]
    for bytes in cases {
      #expect(#expect(throws: LMToolError.self) { try Certificate(encoded: bytes) }?.rule == "CERT-1")
    }
  }

  /// Records that break the rule of that number.
  static let broken: [(rule: Int, change: @Sendable (inout Certificate) -> Void)] = [
    (2, { $0.head.version = 2 }), (3, { $0.head.vocabulary = 0 }), (3, { $0.head.vocabulary = 1 << 40 }),
    (3, { $0.head.entries = 65 }), (3, { $0.head.entries = -1 }), (3, { $0.head.probes = [] }), (3, { $0.head.prompts = [] }),
    (4, { $0.head.probes[0].ids[2] = 300 }), (4, { $0.head.probes[0].ids[2] = -1 }), (4, { $0.head.probes[0].gaps = [2, 3] }),
    (4, { $0.head.probes[0].gaps = [2, Int.max] }), (4, { $0.head.probes[0].gaps = [2, -1] }),
    (4, { $0.head.probes[0].gaps = [1, 3] }), (4, { $0.head.probes[0].start = 4 }), (4, { $0.head.probes[0].bytes = 0 }),
    (4, { $0.head.probes[0].nats = 0 }), (4, { $0.head.probes[0].gaps = [] }),
    (4, { $0.head.probes[0].ids = Array(repeating: 1, count: 10_000) }), (5, { $0.head.sampling.length = 1 << 30 }),
    (5, { $0.head.sampling.samples = 5 }), (5, { $0.head.sampling.temperature = 0 }), (5, { $0.head.sampling.topK = 0 }),
    (4, { $0.head.probes[0].ids = Array(repeating: 1, count: 20) }),
    (
      5,
      {
        $0.head.prompts[0].ids = Array(repeating: 1, count: 1000)
        $0.head.prompts = Array(repeating: $0.head.prompts[0], count: 16)
      }
    ), (5, { $0.head.sampling.seed = -1 }), (5, { $0.head.prompts[0].ids = [] }), (5, { $0.head.prompts[0].samples = [[4]] }),
    (5, { $0.head.prompts[0].greedy = Array(repeating: 1, count: 9) }), (5, { $0.head.prompts[0].greedy = [999] }),
    (6, { $0.references[0][0].ids = [299, 299] }), (6, { $0.references[0][0].ids = [300, 4] }),
    (7, { $0.head.figures.divergence = -1 }), (7, { $0.head.figures.best = -1 }), (7, { $0.head.figures.bitsPerByteBefore = 0 }),
    (7, { $0.head.speech.natsPerByte = -0.5 }),
  ]

  @Test(arguments: broken.indices) func aBrokenRuleIsNamed(index: Int) throws {
    var record = try Certificate(encoded: Self.bytes)
    Self.broken[index].change(&record)
    let bytes = try record.encoded()
    #expect(#expect(throws: LMToolError.self) { try Certificate(encoded: bytes) }?.rule == "CERT-\(Self.broken[index].rule)")
  }
}
