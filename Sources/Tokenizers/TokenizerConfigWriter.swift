import Tensors

extension TokenizerDefinition {
  /// The `tokenizer_config.json` that goes with `tokenizerJSON()`, for transformers.
  ///
  /// - Parameter chatTemplate: the Jinja text of the chat template, as it came.
  public func tokenizerConfigJSON(chatTemplate: String?) throws(LMToolError) -> [UInt8] {
    try validate()
    var members: [JSONTree.Member] = [
      .init("tokenizer_class", .text("PreTrainedTokenizerFast")), .init("clean_up_tokenization_spaces", .bool(false)),
      .init("add_bos_token", .bool(addsBOS)), .init("add_eos_token", .bool(addsEOS)),
    ]
    for (name, id) in [("bos_token", bos), ("eos_token", eos.first), ("unk_token", unknown), ("pad_token", padding)] {
      if let id { members.append(.init(name, .string(spelling(of: Int(id))))) }
    }
    if let chatTemplate { members.append(.init("chat_template", .text(chatTemplate))) }
    return JSONTree.object(members).serialized()
  }
}
