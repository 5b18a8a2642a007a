import Kernels
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@Suite(.serialized) struct LayerTests {
  /// Runs `body` on every instruction set and expects bit-equal floats; returns those of the reference.
  func agreed(_ what: String, _ body: () -> [Float]) -> [Float] {
    let usual = InstructionSet.inUse
    defer { usual.force() }
    InstructionSet.reference.force()
    let expected = body()
    for set in InstructionSet.allCases where set.isAvailable {
      set.force()
      #expect(body().map(\.bitPattern) == expected.map(\.bitPattern), "\(what) on \(set)")
    }
    return expected
  }

  @Test(arguments: [1, 15, 16, 17, 64, 100, 1000]) func softmaxIsExact(count: Int) {
    var noise = Noise(UInt64(count))
    let x = noise.floats(count).map { $0 * 30 }
    let result = agreed("softmax \(count)") {
      var y = x
      softmax(&y, count: count)
      return y
    }
    let most = Double(x.max()!)
    let total = x.reduce(0.0) { $0 + exp(Double($1) - most) }
    for (value, input) in zip(result, x) {
      #expect(abs(Double(value) - exp(Double(input) - most) / total) < 3e-7)
    }
    #expect(abs(logSumExp(x, count: count) - (most + log(total))) < 1e-6 * (1 + abs(most)))
  }

  @Test(arguments: [1, 15, 16, 255, 256, 257, 1000]) func divergenceIsExact(count: Int) {
    var noise = Noise(UInt64(count))
    let p = noise.floats(count).map { $0 * 5 }, q = noise.floats(count).map { $0 * 5 }
    let result = agreed("divergence \(count)") {
      let sums = (logSumExp(p, count: count), logSumExp(q, count: count))
      return [Float(divergence(of: p, from: q, count: count, logSums: sums)), Float(sums.0), Float(sums.1)]
    }
    let logP = log(p.reduce(0.0) { $0 + exp(Double($1)) }), logQ = log(q.reduce(0.0) { $0 + exp(Double($1)) })
    let exact = zip(p, q).reduce(0.0) { sum, pair in
      let (a, b) = (Double(pair.0) - logP, Double(pair.1) - logQ)
      return sum + exp(a) * (a - b)
    }
    #expect(abs(Double(result[0]) - exact) < 1e-5 * (1 + exact))
    #expect(abs(Double(result[1]) - logP) < 1e-5 && abs(Double(result[2]) - logQ) < 1e-5)
  }

  @Test(arguments: [1, 255, 256, 257, 600]) func theFirstElementBeyondALimitIsFound(count: Int) {
    let fine = [Float](repeating: -2, count: count)
    fine.withUnsafeBufferPointer { #expect(firstElement(beyond: 2, in: $0) == nil) }
    for (index, value) in [(0, Float.nan), (count / 2, 2.5), (count - 1, -.infinity)] {
      var broken = fine
      broken[index] = value
      broken.withUnsafeBufferPointer { #expect(firstElement(beyond: 2, in: $0) == index) }
    }
    [Float]().withUnsafeBufferPointer { #expect(firstElement(beyond: 2, in: $0) == nil) }
  }

  @Test func theLargestElementIsTheFirstOfEquals() {
    #expect(argmax([1, 3, 3, -1], count: 4) == 1)
    #expect(argmax([-5], count: 1) == 0)
  }

  @Test(arguments: [1, 16, 33, 576]) func rmsNormIsExact(count: Int) {
    var noise = Noise(UInt64(count))
    let x = noise.floats(count), weight = noise.floats(count)
    let result = agreed("rms norm \(count)") {
      var y = [Float](repeating: 0, count: count)
      rmsNorm(x, weight: weight, epsilon: 1e-5, count: count, tokens: 1, into: &y)
      return y
    }
    let mean = x.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(count)
    for index in 0..<count {
      #expect(abs(Double(result[index]) - Double(x[index]) / (mean + 1e-5).squareRoot() * Double(weight[index])) < 1e-6)
    }
  }

  @Test(arguments: [1, 16, 100]) func gatedUnitIsExact(count: Int) {
    var noise = Noise(UInt64(count))
    let gate = noise.floats(count).map { $0 * 100 }, up = noise.floats(count)
    let result = agreed("silu \(count)") {
      var y = gate
      siluProduct(gate, up, count: count, into: &y)
      return y
    }
    for index in 0..<count {
      let exact = Double(gate[index]) / (1 + exp(-Double(gate[index]))) * Double(up[index])
      #expect(abs(Double(result[index]) - exact) < 1e-6 * (1 + abs(exact)))
    }
  }

  @Test(arguments: [(CacheFormat.f32, 1e-5), (.f16, 2e-3), (.int8, 2e-2), (.int4, 0.3)])
  func attentionMatchesItsDefinition(format: CacheFormat, tolerance: Double) {
    for size in [16, 24, 64] {
      var noise = Noise(UInt64(size))
      let positions = 37
      let keys = (0..<positions).map { _ in noise.floats(size) }, values = (0..<positions).map { _ in noise.floats(size) }
      let cache = HeadCache(format: format, size: size, capacity: positions)
      for position in 0..<positions { cache.store(position, key: keys[position], value: values[position]) }
      let query = noise.floats(size) + [Float](repeating: 0, count: cache.padded - size)
      let result = agreed("attention \(format) \(size)") {
        var scores = [Float](repeating: 0, count: positions), output = [Float](repeating: 0, count: cache.padded)
        cache.attend(query, over: 3..<positions, scale: 0.25, scores: &scores, into: &output)
        return output
      }
      let weights = (3..<positions).map { p in exp(0.25 * zip(query, keys[p]).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }) }
      let total = weights.reduce(0, +)
      for index in 0..<size {
        let exact = zip(weights, 3..<positions).reduce(0.0) { $0 + $1.0 * Double(values[$1.1][index]) } / total
        #expect(abs(Double(result[index]) - exact) < tolerance)
      }
    }
  }
}
