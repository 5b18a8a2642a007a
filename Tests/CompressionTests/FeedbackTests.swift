import Artifacts
import Checkpoints
import Compression
import Inference
import Kernels
import Models
import OrderedCollections
import Quantization
import Tensors
import TestSupport
import Testing

/// Quantization with error feedback: the codes of the original algorithm, and less loss than rounding.
struct FeedbackTests {
  let scratch = TestFolder()
  private let tales = Fixtures.path("texts/tinystories.txt")

  private func floats(_ file: SafetensorsFile, _ name: String) throws -> [Float] { try #require(file.tensors[name]).readAll() }

  private func feedback(_ moment: [Float], _ order: [Int], damping: Double = 0.01) throws -> [Float] {
    let size = order.count, mean = (0..<size).reduce(0.0) { $0 + Double(moment[$1 * (size + 1)]) } / Double(size)
    let sorted = order.flatMap { row in order.map { moment[row * size + $0] } }
    return try #require(SymmetricFactor(sorted, size: size, damping: damping * mean)).feedback()
  }

  @Test(arguments: ["int4-g32", "int4-g64-min", "int8-row"], ["natural", "sorted"])
  func codesAreThoseOfTheOriginalAlgorithm(name: String, kind: String) throws {
    let file = try SafetensorsFile(path: Fixtures.path("gptq/vectors.safetensors"))
    let scheme = try #require(GridScheme(name: name)), weights = try floats(file, "weights"), moment = try floats(file, "moment")
    let rows = 70, columns = 96, layout = try GridLayout(shape: [rows, columns], scheme: scheme)
    let order = kind == "natural" ? Array(0..<columns) : try floats(file, "order").map { Int($0) }
    let halves = { (values: [Float]) in values.map { floatToHalf($0) } }
    let given = try GridTensor(
      shape: [rows, columns], scheme: scheme, codes: [UInt8](repeating: 0, count: layout.codeBytes),
      scales: halves(try floats(file, "\(name).scales")),
      minimums: scheme.hasMinimum ? halves(try floats(file, "\(name).minimums")) : [])
    let quantizer = ErrorFeedback(scheme, order: order, feedback: try feedback(moment, order))
    let grid = try weights.withUnsafeBufferPointer { try quantizer.quantize($0, to: given) }
    let expected = try floats(file, "\(name).\(kind).codes").map { Int($0) }
    // No weight of these lies so close to the middle between two codes that doubles and floats disagree.
    #expect(zip(codes(grid), expected).count { $0 != $1 } == 0)
  }

  private func codes(_ grid: GridTensor) -> [Int] {
    let layout = grid.layout, offset = layout.scheme.hasMinimum ? 0 : 8
    guard layout.scheme.bits == 4 else { return grid.codes.map { Int(Int8(bitPattern: $0)) } }
    return (0..<layout.rows * layout.columns).map { Int(grid.codes[$0 / 2] >> ($0 % 2 == 0 ? 0 : 4) & 15) - offset }
  }

  @Test(arguments: ["int4-g32", "int4-row-min", "int8-g64"])
  func inputsThatAreIndependentAreRounded(name: String) throws {
    let rows = 67, columns = 90, scheme = try #require(GridScheme(name: name))
    var noise = Noise(3)
    let weights = noise.floats(rows * columns)
    let quantizer = ErrorFeedback(
      scheme, order: Array(0..<columns), feedback: [Float](repeating: 0, count: columns * columns))
    try weights.withUnsafeBufferPointer { weights in
      let fed = try quantizer.quantize(weights, rows: 0..<rows, columns: columns)
      #expect(try fed == ClipSearch(scheme).quantize(weights, rows: 0..<rows, columns: columns))
    }
  }

  @Test func theOutputsAreCloserThanThoseOfRounding() throws {
    let file = try SafetensorsFile(path: Fixtures.path("gptq/vectors.safetensors"))
    let weights = try floats(file, "weights"), moment = try floats(file, "moment")
    let scheme = QuantizationRecipe.int4.scheme, order = Array(0..<96)
    let quantizer = ErrorFeedback(scheme, order: order, feedback: try feedback(moment, order))
    try weights.withUnsafeBufferPointer { buffer in
      let fed = try quantizer.quantize(buffer, rows: 0..<70, columns: 96).dequantized()
      let rounded = try ClipSearch(scheme).quantize(buffer, rows: 0..<70, columns: 96).dequantized()
      #expect(loss(fed, weights, moment) < 0.5 * loss(rounded, weights, moment))
    }
  }

  /// Σ e S eᵀ over the rows.
  private func loss(_ values: [Float], _ weights: [Float], _ moment: [Float]) -> Double {
    let size = 96
    var sum = 0.0
    for row in 0..<values.count / size {
      let errors = (0..<size).map { Double(values[row * size + $0] - weights[row * size + $0]) }
      for i in 0..<size {
        for j in 0..<size { sum += errors[i] * errors[j] * Double(moment[i * size + j]) }
      }
    }
    return sum
  }

  @Test(arguments: ["int4-g32", "int4-row", "int4-g64-min"]) func aModelLosesLess(name: String) throws {
    let scheme = try #require(GridScheme(name: name)), source = try ModelSource.open(stories)
    let recipe = QuantizationRecipe(scheme: scheme, embeddingScheme: GridScheme(name: "int8-g32"))
    var options = CalibrationOptions()
    (options.tokens, options.window) = (4096, 128)
    try Quantizing.run(source, recipe: recipe, to: scratch.path("rtn"))
    try Quantizing.run(source, recipe: recipe, calibratedOn: try CalibrationText(source, options), to: scratch.path("gptq"))
    let original = try Transformer(source), text = try contents(tales)
    let divergences = try ["rtn", "gptq"].map { folder in
      let evaluation = try Evaluation(EvaluationOptions(window: 256, maximumWindows: 8), tokenizer: try source.makeTokenizer())
      let model = try Transformer(try ModelSource.open(scratch.path(folder)), arithmetic: .float)
      return try #require(try evaluation.score(model, on: EvaluationText(text), against: original).klMean)
    }
    #expect(divergences[1] < 0.85 * divergences[0], "\(divergences)")
  }

  @Test func aTextOfOneTokenLeavesAModelThatWorks() throws {
    let source = try ModelSource.open(stories), path = try scratch.write("monotone.txt", String(repeating: "a", count: 2000))
    var options = CalibrationOptions()
    (options.texts, options.window) = ([path], 64)
    try Quantizing.run(source, recipe: .int4, calibratedOn: try CalibrationText(source, options), to: scratch.path("quantized"))
    #expect(try logits(try ModelSource.open(scratch.path("quantized"))).allSatisfy(\.isFinite))
  }

  @Test func keptTensorsAndNormsStayAsTheyAre() throws {
    let source = try ModelSource.open(stories), keep = ["*layers.1.*", "*o_proj*"]
    let recipe = QuantizationRecipe(scheme: QuantizationRecipe.int4.scheme, embeddingScheme: nil, keep: keep)
    var options = CalibrationOptions()
    (options.tokens, options.window) = (512, 64)
    try Quantizing.run(source, recipe: recipe, to: scratch.path("rtn"))
    try Quantizing.run(source, recipe: recipe, calibratedOn: try CalibrationText(source, options), to: scratch.path("gptq"))
    let rounded = try ModelSource.open(scratch.path("rtn")), fed = try ModelSource.open(scratch.path("gptq"))
    for spec in source.spec.tensors {
      #expect(try rounded.tensor(spec).storage == fed.tensor(spec).storage)
      let isQuantized = recipe.scheme(of: spec) != nil
      #expect(try (rounded.tensor(spec).readAll() == fed.tensor(spec).readAll()) == !isQuantized, "\(spec.name)")
    }
  }
}
