import Artifacts
import Checkpoints
import Compression
import Inference
import Kernels
import Models
import OrderedCollections
import Tensors
import TestSupport
import Testing

/// Pruning beside what the authors' algorithms give in double precision.
struct PruningVectorTests {
  let scratch = TestFolder()
  private static let rows = 66, columns = 160

  private func floats(_ file: SafetensorsFile, _ name: String) throws -> [Float] { try #require(file.tensors[name]).readAll() }

  private func vectors() throws -> SafetensorsFile { try SafetensorsFile(path: Fixtures.path("pruning/vectors.safetensors")) }

  /// The first `count` bits of a mask.
  private func mask(_ file: SafetensorsFile, _ name: String, count: Int) throws -> [Bool] {
    let bytes = try #require(file.tensors[name]).withBytes { Array($0) }
    return (0..<count).map { index -> Bool in
      let byte = bytes[index / 8], bit = UInt8(128 >> (index % 8))
      return byte & bit != 0
    }
  }

  private static let patterns: [(name: String, pattern: SparsityPattern)] = [
    ("0.5", .fraction(0.5)), ("2:4", .pattern(keep: 2, of: 4)),
  ]

  /// PRUNE-6.
  @Test(arguments: 0...1) func wandaIsThatOfTheReference(index: Int) throws {
    let file = try vectors(), (name, pattern) = Self.patterns[index], weights = try floats(file, "weights")
    let result = try Sparsity(pattern, method: .wanda).apply(weights, rows: Self.rows, moment: try floats(file, "moment"))
    let stays = try mask(file, "wanda.\(name)", count: weights.count)
    #expect(zip(result, stays).allSatisfy { ($0 != 0) == $1 })
    #expect(zip(result, weights).allSatisfy { $0 == 0 || $0 == $1 })
  }

  /// PRUNE-7.
  @Test(arguments: 0...1) func sparseGPTIsThatOfTheReference(index: Int) throws {
    let file = try vectors(), (name, pattern) = Self.patterns[index], expected = try floats(file, "sparsegpt.\(name)")
    let result = try Sparsity(pattern, method: .sparsegpt)
      .apply(try floats(file, "weights"), rows: Self.rows, moment: try floats(file, "moment"))
    // No weight of these is so near to the threshold that doubles and floats disagree.
    #expect(zip(result, expected).allSatisfy { ($0 == 0) == ($1 == 0) })
    #expect(difference(result, expected) < 1e-4)
  }

  /// PRUNE-1, PRUNE-3: the inputs that go, what each costs, and the matrix without them, which the closed form gives too.
  @Test func eliminationIsThatOfTheReference() throws {
    let file = try vectors(), weights = try floats(file, "weights"), moment = try floats(file, "moment")
    let factor = try Moments.factor(moment, size: Self.columns, damping: 0.01)
    let elimination = ColumnElimination(weights, factor: factor)
    let inputs = try floats(file, "surgeon.inputs").map { Int($0) }, costs = try floats(file, "surgeon.costs")
    for (input, cost) in zip(inputs, costs) {
      let cheapest = try #require(elimination.cheapest())
      #expect(cheapest == input)
      #expect(abs(elimination.cost(of: cheapest) / Double(cost) - 1) < 1e-4)
      elimination.remove(cheapest)
    }
    let gone = Set(inputs), kept = (0..<Self.columns).filter { !gone.contains($0) }
    let trace = (0..<Self.columns).reduce(0.0) { $0 + Double(moment[$1 * (Self.columns + 1)]) } / Double(Self.columns)
    let left = kept.reduce(0.0) { $0 + Double(moment[$1 * (Self.columns + 1)]) } / Double(kept.count)
    // The closed form damps by a fraction of what is left.
    let fitted = try Moments.fitted(weights, moment, size: Self.columns, keeping: kept, damping: 0.01 * trace / left)
    #expect(difference(fitted, try floats(file, "surgeon.weights")) < 1e-4)
  }

  /// What a block costs is the sum of what its inputs cost one after the other.
  @Test func blocksCostWhatTheirInputsDo() throws {
    let file = try vectors(), factor = try Moments.factor(try floats(file, "moment"), size: Self.columns, damping: 0.01)
    let elimination = ColumnElimination(try floats(file, "weights"), factor: factor), block = [3, 4, 5, 90, 91]
    let together = elimination.cost(of: block)
    var sum = 0.0
    for input in block {
      sum += elimination.cost(of: input)
      elimination.remove(input)
    }
    #expect(abs(together / sum - 1) < 1e-6)
  }

  @Test func allInputsLeaveAMatrixAsItIs() throws {
    let file = try vectors(), weights = try floats(file, "weights")
    let fitted = try Moments.fitted(
      weights, try floats(file, "moment"), size: Self.columns, keeping: Array(0..<Self.columns), damping: 0.01)
    #expect(difference(fitted, weights) < 1e-5)
  }

  /// A whole model, every matrix with its inputs behind the pruned ones before.
  @Test(arguments: [SparsityMethod.wanda, .sparsegpt]) func modelsArePrunedAsTheReference(method: SparsityMethod) throws {
    let file = try SafetensorsFile(path: Fixtures.path("pruning/stories.safetensors")), source = try ModelSource.open(stories)
    let tokens = try floats(file, "tokens").map { Int32($0) }
    let work = PruningPass.Work(
      kept: KeptParts(of: source.spec), compensates: false, sparsity: Sparsity(.fraction(0.5), method: method))
    let pass = PruningPass(source, work, folder: scratch.path)
    try pass.run(windows: TokenWindows(tokens, length: 64), progress: nil)
    #expect(pass.tensors.count == 35)
    for (name, tensor) in pass.tensors {
      let values = try tensor.readAll(), stem = "\(method.rawValue).\(name.dropLast(7))"
      let stays = try mask(file, stem + ".mask", count: values.count)
      // Activations differ in their last digits, and with them weights whose importance is the same in all others.
      #expect(zip(values, stays).count { ($0 != 0) != $1 } <= values.count / 500, "\(name)")
      let norm = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      #expect(abs(norm / Double(try floats(file, stem + ".norm")[0]) - 1) < 1e-3, "\(name)")
    }
  }
}
