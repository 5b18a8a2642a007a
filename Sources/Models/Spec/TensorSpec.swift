import Tensors

/// A named tensor with the shape that the configuration asks for.
///
/// Names and separation are the same for all families: what a checkpoint holds fused, transposed or under other names is described by
/// `slices`. Quantized directories and artifacts hold tensors under these names.
public struct TensorSpec: Sendable, Hashable {
  /// The name: "model.layers.3.self_attn.q_proj.weight".
  public let name: String
  /// What the tensor does.
  public let role: TensorRole
  /// The layer, counted from 0; nil outside the layers.
  public let layer: Int?
  /// Whether it is a bias, of a linear layer or a norm.
  public let isBias: Bool
  /// Dimensions, outermost first.
  public private(set) var shape: [Int]
  /// Where its rows lie in Hugging Face checkpoints of the family, those of the first slice first.
  public var slices: [TensorSlice]

  /// Describes a tensor.
  ///
  /// - Parameter slices: where it lies; nil for a tensor of its own under the same name.
  public init(_ role: TensorRole, layer: Int? = nil, isBias: Bool = false, shape: [Int], slices: [TensorSlice]? = nil) {
    self.role = role
    self.layer = layer
    self.isBias = isBias
    self.shape = shape
    let prefix = layer.map { "model.layers.\($0)." } ?? (role == .head ? "" : "model.")
    name = prefix + role.module + (isBias ? ".bias" : ".weight")
    self.slices = slices ?? [TensorSlice(name, shape: shape)]
  }

  /// Whether this is a matrix.
  public var isMatrix: Bool { shape.count == 2 }

  /// Gives a tensor that lies by itself another number of rows.
  public mutating func resize(rows: Int) {
    shape[0] = rows
    slices = slices.map { TensorSlice($0.name, shape: [rows] + $0.shape.dropFirst()) }
  }
}

/// What a tensor does. The raw values are the names of the GGUF format, where it has one.
public enum TensorRole: String, Sendable, CaseIterable {
  case embedding = "token_embd"
  case positions = "position_embd"
  case projectIn = "project_in"
  case attentionNorm = "attn_norm"
  case query = "attn_q"
  case key = "attn_k"
  case value = "attn_v"
  case queryNorm = "attn_q_norm"
  case keyNorm = "attn_k_norm"
  case attentionOutput = "attn_output"
  case attentionOutputNorm = "post_attention_norm"
  case mlpNorm = "ffn_norm"
  case gate = "ffn_gate"
  case up = "ffn_up"
  case down = "ffn_down"
  case mlpOutputNorm = "post_ffw_norm"
  case finalNorm = "output_norm"
  case projectOut = "project_out"
  case head = "output"

  /// The module in names: that of Hugging Face's LLaMA where it has one.
  var module: String {
    switch self {
    case .embedding: "embed_tokens"
    case .positions: "embed_positions"
    case .projectIn: "project_in"
    case .attentionNorm: "input_layernorm"
    case .query: "self_attn.q_proj"
    case .key: "self_attn.k_proj"
    case .value: "self_attn.v_proj"
    case .queryNorm: "self_attn.q_norm"
    case .keyNorm: "self_attn.k_norm"
    case .attentionOutput: "self_attn.o_proj"
    case .attentionOutputNorm: "attention_output_norm"
    case .mlpNorm: "post_attention_layernorm"
    case .gate: "mlp.gate_proj"
    case .up: "mlp.up_proj"
    case .down: "mlp.down_proj"
    case .mlpOutputNorm: "mlp_output_norm"
    case .finalNorm: "norm"
    case .projectOut: "project_out"
    case .head: "lm_head"
    }
  }

  /// The part of the model it belongs to, for tables.
  public var part: String {
    switch self {
    case .embedding, .positions, .projectIn: "embedding"
    case .head, .projectOut: "head"
    case .query, .key, .value, .attentionOutput: "attention"
    case .gate, .up, .down: "mlp"
    case .attentionNorm, .attentionOutputNorm, .mlpNorm, .mlpOutputNorm, .finalNorm, .queryNorm, .keyNorm: "norms"
    }
  }

  /// Whether rotary embedding acts on its rows.
  public var isRotated: Bool { self == .query || self == .key }

  /// Whether it is part of a norm.
  public var isNorm: Bool { part == "norms" }
}

extension TensorSpec {
  /// The name in GGUF files that hold it as it is: "blk.3.attn_q.weight".
  public var ggufName: String {
    (layer.map { "blk.\($0)." } ?? "") + role.rawValue + (isBias ? ".bias" : ".weight")
  }
}
