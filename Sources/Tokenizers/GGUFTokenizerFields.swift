/// What a GGUF file says about its tokenizer, under `tokenizer.ggml.`.
public struct GGUFTokenizerFields: Sendable, Equatable {
  /// `model`: "gpt2" is byte-level BPE, "llama" is SentencePiece BPE, "t5" SentencePiece unigram.
  public var model: String
  /// `pre`: the name of the pre-tokenizer.
  public var pre: String?
  /// `tokens`: spelled as in tokenizer.json or tokenizer.model.
  public var tokens: [[UInt8]]
  /// `scores`, of SentencePiece.
  public var scores: [Float]?
  /// `token_type`.
  public var types: [Int32]?
  /// `precompiled_charsmap`, of "t5".
  public var characterMap: [UInt8]?
  /// `merges`, of byte-level BPE: "a b".
  public var merges: [[UInt8]]?
  /// `bos_token_id`.
  public var bos: Int32?
  /// `eos_token_id`.
  public var eos: Int32?
  /// `eot_token_id`: ends a turn.
  public var endOfTurn: Int32?
  /// `unknown_token_id`.
  public var unknown: Int32?
  /// `padding_token_id`.
  public var padding: Int32?
  /// `add_bos_token`.
  public var addsBOS: Bool?
  /// `add_eos_token`.
  public var addsEOS: Bool?
  /// `add_space_prefix`.
  public var addsSpacePrefix: Bool?
  /// `remove_extra_whitespaces`; llama.cpp keeps it but does not heed it in SentencePiece BPE models.
  public var removesExtraSpaces: Bool?

  /// Fields with the two that every file must have.
  public init(model: String, tokens: [[UInt8]]) {
    self.model = model
    self.tokens = tokens
  }
}
