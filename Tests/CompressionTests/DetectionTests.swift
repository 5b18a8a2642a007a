import Artifacts
import Compression
import Models
import Tensors
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// How much of what is changed in a file is noticed. `LMTOOL_DETECTION=full` flips 1,000 bits and perturbs 200 tensors, and prints what was
/// found.
struct DetectionTests {
  let scratch = TestFolder()
  private let isFull = getenv("LMTOOL_DETECTION").map { String(cString: $0) == "full" } ?? false

  private func certified() throws -> String {
    let path = scratch.path("model.lmz"), model = try ModelSource.open(stories)
    _ = try Exporting.lmz(model, to: path, recipe: .object([:]), certificate: CertificateRequest())
    return path
  }

  private func fails(_ path: String, _ quality: QualityDemands?) throws -> Bool {
    try !Verifying.run(path, quality: quality).passed
  }

  @Test func everyFlippedBitIsFound() throws {  // LMZ-4, LMZ-17
    let good = try contents(try certified()), all = isFull ? 1000 : 40
    var noise = Noise(2024), found = 0
    for _ in 0..<all {
      let bit = Int(noise.next() % UInt64(8 * good.count))
      var damaged = good
      damaged[bit / 8] ^= 1 << UInt8(bit % 8)
      let isFound = try fails(try scratch.write("damaged.lmz", damaged), nil)
      #expect(isFound, "bit \(bit)")
      found += isFound ? 1 : 0
    }
    if isFull { print("\(found) of \(all) flipped bits are found, of a file of \(good.count) bytes") }
  }

  /// Noise of 3 % of a tensor's norm, with hashes that hold: the bytes are sound, the record is not reproduced (CERT-13).
  @Test func noiseInOneTensorIsNoticed() throws {
    let path = try certified(), names = try Artifact(path: path).tensors.map(\.name), all = isFull ? 200 : 5
    var noise = Noise(7), found = 0
    for index in 0..<all {
      let name = names[index * (isFull ? 1 : 11) % names.count], again = scratch.path("again.lmz")
      try writeAgain(
        path, to: again,
        tensor: { tensor, values in
          guard tensor == name else { return }
          let square = values.reduce(0) { $0 + $1 * $1 } / Float(values.count)
          values = values.map { $0 + 0.03 * (3 * square).squareRoot() * noise.float() }
        })
      #expect(try !fails(again, nil), "its hashes hold")
      let isFound = try fails(again, QualityDemands())
      found += isFound ? 1 : 0
      if isFull, !isFound { print("noise in \(name) is not noticed") }
    }
    if isFull { print("noise in \(found) of \(all) tensors is noticed") }
    #expect(found * 100 >= all * 95)
  }
}
