import OrderedCollections
import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A model as Meta and Mistral publish it: `params.json` and shards that are joined by their parallel dimension.
///
/// The rules are those of `formats/meta.md`. The rows of wq and wk are in Meta's order.
public struct MetaCheckpoint: Checkpoint {
  /// The name of the settings.
  public static let settingsName = "params.json"
  static let safetensorsName = "consolidated.safetensors"
  static let maximumShards = 64

  /// The files that hold the tensors, in the order of their numbers.
  public let files: [MappedFile]
  /// The whole tensors, in Meta's names.
  public let readers: OrderedDictionary<String, any TensorReader>
  /// `params.json`.
  public let settings: JSONValue
  /// Its path.
  public let settingsPath: String
  /// What else is in the files.
  public let leftOut: [String]

  /// Opens the folder `path`, or the folder of the shard `path`.
  ///
  /// - Throws: `missingInput` when a file is missing, `badInput` with the rule that is broken.
  public init(path: String) throws(LMToolError) {
    let folder = isFolder(path) ? path + "/" : parentFolder(of: path)
    settingsPath = folder + Self.settingsName
    settings = try decodeJSON(JSONValue.self, file: try MappedFile(path: settingsPath))
    guard let width = settings["dim"]?.int, width > 0 else {
      throw LMToolError(
        .badInput, "the settings do not say how wide the model is", file: settingsPath, at: .key("dim"), rule: "META-4")
    }
    var shards: [any Checkpoint] = []
    for path in try Self.shards(in: folder) { shards.append(try Self.open(path)) }
    files = shards.flatMap(\.files)
    leftOut = shards.flatMap { ($0 as? PyTorchCheckpoint)?.leftOut ?? [] }
    readers = try Self.scaled(try Self.join(shards, width: width), settings, settingsPath)
  }

  /// Whether a folder has settings and a first shard.
  static func isIn(_ folder: String) -> Bool {
    isFile(folder + "/" + settingsName) && (isFile(folder + "/" + safetensorsName) || isFile(folder + "/" + name(0)))
  }

  private static func name(_ number: Int) -> String { "consolidated.\(number < 10 ? "0" : "")\(number).pth" }

  private static func shards(in folder: String) throws(LMToolError) -> [String] {
    let paths = (0..<maximumShards).map { folder + name($0) }
    let there = paths.prefix { isFile($0) }
    if there.isEmpty, isFile(folder + safetensorsName) { return [folder + safetensorsName] }
    guard let first = paths.first, !there.isEmpty else {
      throw LMToolError(.missingInput, "there is no such file", file: folder + name(0), rule: "META-1")
    }
    if let stray = paths.dropFirst(there.count).first(where: { isFile($0) }) {
      throw LMToolError(
        .missingInput, "\(stray) is there, but \(paths[there.count]) is not; download all files", file: first, rule: "META-1")
    }
    return Array(there)
  }

  private static func open(_ path: String) throws(LMToolError) -> any Checkpoint {
    path.hasSuffix(".safetensors") ? try SafetensorsCheckpoint(path: path) : try PyTorchCheckpoint(path: path)
  }

  /// Mistral's 8-bit floats, with their scales. Rule META-6.
  private static func scaled(
    _ tensors: OrderedDictionary<String, any TensorReader>, _ settings: JSONValue, _ path: String
  ) throws(LMToolError) -> OrderedDictionary<String, any TensorReader> {
    guard let quantization = settings["quantization"] else { return tensors }
    guard quantization["qformat_weight"]?.string == "fp8_e4m3" else {
      throw LMToolError(
        .badInput,
        "weights of the format \((quantization["qformat_weight"]?.string ?? "none").printable) are not read; fp8_e4m3 is",
        file: path, at: .key("quantization"), rule: "META-6")
    }
    return try ForeignQuantization.scaled(blockSize: nil).join(tensors, config: settings)
  }

  /// Rules META-2 and META-3.
  private static func join(
    _ shards: [any Checkpoint], width: Int
  ) throws(LMToolError) -> OrderedDictionary<String, any TensorReader> {
    let all = shards.map(\.readers)
    guard shards.count > 1, let first = all.first else { return all.first ?? [:] }
    var joined: OrderedDictionary<String, any TensorReader> = [:]
    for (name, tensor) in first {
      let parts = all.compactMap { $0[name] }
      guard parts.count == shards.count, parts.allSatisfy({ $0.shape == tensor.shape }) else {
        throw LMToolError(
          .badInput, "it is not in all \(shards.count) files, or not with the same shape; they are not of one model",
          file: shards[0].files.first?.path, at: .tensor(name), rule: "META-2")
      }
      let axis = axis(of: name, tensor.shape, width: width)
      joined[name] = try axis.map { (axis) throws(LMToolError) in try whole(name, parts, axis) } ?? tensor
    }
    return joined
  }

  private static func whole(
    _ name: String, _ parts: [any TensorReader], _ axis: Int
  ) throws(LMToolError) -> any TensorReader {
    var shape = parts[0].shape
    guard axis < shape.count, case (let length, false) = shape[axis].multipliedReportingOverflow(by: parts.count) else {
      throw LMToolError(.badInput, "it has the shape \(shape), which cannot be joined", at: .tensor(name), rule: "META-3")
    }
    shape[axis] = length
    guard elementCount(shape) != nil else {
      throw LMToolError(.badInput, "the shape \(shape) is too large", at: .tensor(name), rule: "META-3")
    }
    return JoinedTensor(name: name, parts: parts, axis: axis)
  }

  /// The dimension along which the parts of a tensor lie; nil for what is equal in all files.
  private static func axis(of name: String, _ shape: [Int], width: Int) -> Int? {
    let parts = name.split(separator: ".")
    switch parts.dropLast().last {
    case "wq", "wk", "wv", "w1", "w3", "output": return 0
    case "wo", "w2": return 1
    case "tok_embeddings": return shape.last == width ? 0 : 1
    default: return nil
    }
  }
}
