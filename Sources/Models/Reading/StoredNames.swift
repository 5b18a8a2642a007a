import OrderedCollections
import Tensors

/// The names of a checkpoint's tensors as the family writes them today, whatever wraps the model in the file (MODEL-9).
///
/// Checkpoints of a bare model lack the prefix of the body ("model.", "transformer."), multimodal ones have the language model's in
/// front ("language_model.model."), training checkpoints a wrapper's ("module."). The embedding, which every model has, tells which.
struct StoredNames {
  /// What stands before the body's names in the file, and what the family writes.
  private let found: String, body: String
  /// What stands before the names of the model around the body.
  private let outer: String

  /// - Parameter embedding: the name that the family gives the embedding: "model.embed_tokens.weight".
  init(_ names: some Sequence<String>, embedding: String) {
    let parts = embedding.split(separator: ".")
    let tail = parts.suffix(2).joined(separator: ".")
    body = String(embedding.dropLast(tail.count))
    let candidates = names.filter { $0 == tail || $0.hasSuffix("." + tail) }.map { String($0.dropLast(tail.count)) }
    found = candidates.contains(body) ? body : candidates.min { ($0.count, $0) < ($1.count, $1) } ?? body
    outer = found.hasSuffix(body) ? String(found.dropLast(body.count)) : ""
  }

  /// The family's name of a tensor.
  func canonical(_ name: String) -> String {
    if found == body { return name }
    if !found.isEmpty, name.hasPrefix(found) { return body + name.dropFirst(found.count) }
    if !outer.isEmpty, name.hasPrefix(outer) { return String(name.dropFirst(outer.count)) }
    guard found.isEmpty, !Self.isOutside(name) else { return name }
    return body + name
  }

  /// Whether a tensor is of the model around a bare body: its head.
  private static func isOutside(_ name: String) -> Bool { name.hasPrefix("lm_head.") || name.hasPrefix("embed_out.") }

  /// Whether a tensor that the model does not use is known: a buffer that older versions of `transformers` saved with the weights (masks,
  /// frequencies), or a copy of the embedding where the head is tied to it (MODEL-10).
  static func isKnown(_ name: String, isTied: Bool) -> Bool {
    if isTied, name == "lm_head.weight" || name == "embed_out.weight" { return true }
    let buffers = [
      "attn.bias", "attn.masked_bias", "attention.bias", "attention.masked_bias", "rotary_emb.inv_freq", "rotary_emb.cos_cached",
      "rotary_emb.sin_cached", "rope.freqs",
    ]
    return buffers.contains { name == $0 || name.hasSuffix("." + $0) }
  }
}
