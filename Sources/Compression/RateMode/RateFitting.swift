import Models
import Tensors

/// Fits the file of a model in rate mode to a budget: the last matrix is quantized again until there is hardly any room left.
struct RateFitting {
  /// The model.
  let model: RateModel
  private let path: String
  private let certificate: CertificateRequest?
  private let progress: ProgressConsumer?

  /// How far below the budget a file may end: one part in so many.
  private static let tolerance = 2000

  /// Fits files of `model` at `path`, which get a certificate where one is asked for.
  init(_ model: RateModel, path: String, certificate: CertificateRequest?, progress: ProgressConsumer?) {
    self.model = model
    self.path = path
    self.certificate = certificate
    self.progress = progress
  }

  /// Quantizes, then fits the file, as far as it can.
  ///
  /// - Parameters:
  ///   - bytes: what the matrices should take.
  ///   - budget: what the file may have.
  ///   - trains: whether layers that are left are trained on the way.
  /// - Returns: the model, and the bytes of its file, which is not written.
  func attempt(
    bytes: Int, budget: Int, trains: Bool = false
  ) throws(LMToolError) -> (result: RateModel.Result, size: Int) {
    model.beginAttempt()
    let result = try model.quantize(bytes: bytes, trains: trains, progress: progress)
    return (result, try fit(result, nil, budget: budget, attempts: 10))
  }

  /// Fits the file again: steps that were healed take more room or less than was kept for them, and the last matrix makes up for that.
  ///
  /// - Returns: the bytes of the file, which is not written.
  func refit(_ result: RateModel.Result, _ healing: RateHealing, budget: Int) throws(LMToolError) -> Int {
    try fit(result, healing, budget: budget, attempts: 6)
  }

  /// Writes the file, with its certificate.
  ///
  /// - Returns: the bytes of the file.
  /// - Throws: `usage` when it is larger than the budget.
  func write(_ finished: ModelSource, budget: Int) throws(LMToolError) -> Int {
    let size = try pack(finished, budget: budget, limit: budget, certificate)
    guard size <= budget else {
      throw LMToolError(
        .usage, "the smallest file that was found has \(size) bytes, more than the budget of \(budget); ask for more",
        file: model.source.path)
    }
    return size
  }

  /// Bytes of a budget that are kept for a certificate.
  static func reserve(_ certificate: CertificateRequest?, _ budget: Int) -> Int {
    certificate?.reserve(fileBytes: budget) ?? 0
  }

  /// The model, healed where it was.
  func finished(_ result: RateModel.Result, _ healing: RateHealing?) throws(LMToolError) -> ModelSource {
    let packed = try model.model(result.account)
    return try healing?.healed(packed) ?? packed
  }

  private func fit(
    _ result: RateModel.Result, _ healing: RateHealing?, budget: Int, attempts: Int
  ) throws(LMToolError) -> Int {
    let slack = budget / Self.tolerance
    var size = try pack(try finished(result, healing), budget: budget, limit: 0)
    for _ in 0..<attempts {
      let room = budget - size
      if room >= 0, room <= max(256, slack) { break }
      guard try result.resize(by: room - max(64, slack / 4)) else { break }
      size = try pack(try finished(result, healing), budget: budget, limit: 0)
    }
    return size
  }

  private func pack(
    _ model: ModelSource, budget: Int, limit: Int, _ certificate: CertificateRequest? = nil
  ) throws(LMToolError) -> Int {
    let recipe: JSONValue = .object(["compress": .object(["budget": .int(budget), "mode": .string("rate")])])
    return try Exporting.pack(
      model, to: path, recipe: recipe, sources: nil, limit: limit, certificate: certificate, progress: nil)
  }
}
