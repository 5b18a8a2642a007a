import OrderedCollections
import Tensors

/// How another program stores quantized matrices in safetensors files. The rules are those of `formats/foreign-quantized.md`.
public enum ForeignQuantization: Sendable, Equatable {
  case gptq(bits: Int, groupSize: Int, zeroOffset: UInt32)
  case awq(groupSize: Int)
  case mlx
  /// Codes of 4 or 8 bits in words.
  case packed
  /// 8-bit floats or integers with scales.
  case scaled(blockSize: [Int]?)
  /// NF4, FP4 and LLM.int8().
  case bitsAndBytes

  /// What a `config.json` says; nil when the weights are floats, or quantized by a program that is not of these.
  ///
  /// - Throws: `badInput` for versions and numbers that are not read (QUANT-1).
  public init?(config: JSONValue) throws(LMToolError) {
    let quantization = config["quantization_config"] ?? config["quantization"]
    guard let quantization else { return nil }
    switch quantization["quant_method"]?.string {
    case "gptq": self = try Self.gptq(quantization)
    case "awq": self = try Self.awq(quantization)
    case "compressed-tensors": self = try Self.compressed(quantization)
    case "fp8", "fbgemm_fp8", "modelopt": self = .scaled(blockSize: Self.blockSize(quantization))
    case "bitsandbytes": self = .bitsAndBytes
    case nil where quantization["group_size"]?.int != nil && quantization["bits"]?.int != nil: self = .mlx
    default: return nil
    }
  }

  /// The configuration of the model of floats that the matrices are read as.
  public static func removed(from config: JSONValue) -> JSONValue {
    .object((config.object ?? [:]).filter { $0.key != "quantization_config" && $0.key != "quantization" })
  }

  private static func gptq(_ config: JSONValue) throws(LMToolError) -> Self {
    let format = config["checkpoint_format"]?.string ?? "gptq"
    guard format == "gptq" || format == "gptq_v2", config["is_marlin_format"]?.bool != true else {
      throw refuse("GPTQ matrices in the layout \(format.printable) are not read; gptq and gptq_v2 are")
    }
    guard let bits = config["bits"]?.int, [2, 4, 8].contains(bits) else {
      throw refuse("GPTQ matrices of \(config["bits"]?.int ?? 0) bits are not read; 2, 4 and 8 are")
    }
    return .gptq(bits: bits, groupSize: try groupSize(config), zeroOffset: format == "gptq" ? 1 : 0)
  }

  private static func awq(_ config: JSONValue) throws(LMToolError) -> Self {
    let version = config["version"]?.string?.lowercased() ?? "gemm"
    guard version == "gemm", (config["bits"] ?? config["w_bit"])?.int == 4 else {
      throw refuse("AWQ matrices of the version \(version.printable) or of other than 4 bits are not read; gemm of 4 bits is")
    }
    return .awq(groupSize: try groupSize(config))
  }

  private static func compressed(_ config: JSONValue) throws(LMToolError) -> Self {
    switch config["format"]?.string {
    case "pack-quantized": return .packed
    case "float-quantized", "int-quantized", "naive-quantized": return .scaled(blockSize: blockSize(config))
    case let format: throw refuse("compressed tensors of the format \((format ?? "none").printable) are not read")
    }
  }

  /// `weight_block_size`, or the block structure of the first group of compressed-tensors.
  private static func blockSize(_ config: JSONValue) -> [Int]? {
    let groups = config["config_groups"]?.object?.sorted { $0.key < $1.key }.map(\.value) ?? []
    let sizes = config["weight_block_size"] ?? groups.compactMap { $0["weights"]?["block_structure"] }.first
    return sizes?.array?.compactMap(\.int)
  }

  private static func groupSize(_ config: JSONValue) throws(LMToolError) -> Int {
    guard let size = (config["group_size"] ?? config["q_group_size"])?.int, size == -1 || 1...(1 << 24) ~= size else {
      throw refuse("the group size is missing or out of bounds")
    }
    return size
  }

  static func refuse(_ message: String) -> LMToolError {
    LMToolError(.badInput, message, at: .key("quantization_config"), rule: "QUANT-1")
  }
}
