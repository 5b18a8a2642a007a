import Kernels
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@Suite(.serialized) struct LayerTests {
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

  @Test(arguments: [1, 15, 16, 17, 64, 100]) func layerNormIsExact(count: Int) {
    var noise = Noise(UInt64(count))
    let x = noise.floats(count).map { $0 + 3 }, weight = noise.floats(count), bias = noise.floats(count)
    for bias in [bias, nil] {
      let result = agreed("layer norm \(count)") {
        var y = x
        layerNorm(x, weight: weight, bias: bias, epsilon: 1e-5, count: count, into: &y)
        return y
      }
      let mean = x.reduce(0.0) { $0 + Double($1) } / Double(count)
      let variance = x.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(count)
      for index in 0..<count {
        let exact = (Double(x[index]) - mean) / (variance + 1e-5).squareRoot() * Double(weight[index])
        #expect(abs(Double(result[index]) - exact - Double(bias?[index] ?? 0)) < 3e-6)
      }
    }
  }

  @Test(arguments: Activation.allCases, [1, 16, 100, 1003]) func activationsAreExact(function: Activation, count: Int) {
    var noise = Noise(UInt64(count))
    let gate = noise.floats(count).enumerated().map { $1 * ($0 % 2 == 0 ? 100 : 4) }, up = noise.floats(count)
    for up in [up, nil] {
      let result = agreed("\(function) \(count)") {
        var y = gate
        activate(function, gate, up, count: count, into: &y)
        return y
      }
      for index in 0..<count {
        let x = Double(gate[index])
        let value =
          switch function {
          case .silu: x / (1 + exp(-x))
          case .gelu: x / 2 * (1 + erf(x / 2.0.squareRoot()))
          case .geluTanh: x / 2 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
          case .relu: max(x, 0)
          }
        let exact = value * Double(up?[index] ?? 1)
        #expect(abs(Double(result[index]) - exact) < 1e-6 * (1 + abs(exact)), "\(function)(\(x))")
      }
    }
  }

  @Test(arguments: [(1, 2, 2), (3, 8, 8), (9, 64, 64), (2, 80, 80), (3, 80, 32), (2, 6, 2)])
  func rotationsAreExact(heads: Int, stride: Int, size: Int) {
    var noise = Noise(UInt64(heads * size))
    let x = noise.floats(heads * stride), angles = noise.floats(size / 2).map { $0 * 7 }
    let cosines = angles.map { Float(cos(Double($0))) }, sines = angles.map { Float(sin(Double($0))) }
    let result = agreed("rotary \(heads)x\(size)") {
      var y = x
      rotate(&y, heads: heads, stride: stride, size: size, cosines: cosines, sines: sines)
      return y
    }
    for head in 0..<heads {
      for index in 0..<size / 2 {
        let low = head * stride + index, high = low + size / 2
        let (a, b) = (Double(x[low]), Double(x[high])), (c, s) = (Double(cosines[index]), Double(sines[index]))
        #expect(abs(Double(result[low]) - (a * c - b * s)) < 3e-7)
        #expect(abs(Double(result[high]) - (b * c + a * s)) < 3e-7)
      }
      let rest = head * stride + size..<(head + 1) * stride
      #expect(result[rest] == x[rest], "elements that are not rotated stay")
    }
  }

  @Test(arguments: [1, 15, 16, 100]) func scalesAndSoftcapsAreExact(count: Int) {
    var noise = Noise(UInt64(count))
    let x = noise.floats(count).map { $0 * 100 }
    let scaled = agreed("scale \(count)") {
      var y = x
      scale(&y, by: 0.37, count: count)
      return y
    }
    #expect(scaled == x.map { $0 * 0.37 })
    let capped = agreed("softcap \(count)") {
      var y = x
      softcap(&y, 30, count: count)
      return y
    }
    for (value, result) in zip(x, capped) { #expect(abs(Double(result) - 30 * tanh(Double(value) / 30)) < 1e-5) }
  }

  @Test(arguments: [1, 15, 100]) func sumsAreExact(count: Int) {
    var noise = Noise(UInt64(count))
    let x = noise.floats(count), y = noise.floats(count)
    let result = agreed("add \(count)") {
      var sum = x
      add(&sum, y, count: count)
      return sum
    }
    #expect(result == zip(x, y).map(+))
  }
}
