import Artifacts
import Inference
import Models
import OrderedCollections
import Quantization
import Tensors
import Tokenizers

/// Writes a model as one `.lmz` file (`formats/lmz.md`).
public enum Exporting {
  /// The version of lmtool that the file names.
  public static let version = "0.1.0"
  /// Tokens of the transcript that `verify` reproduces.
  static let transcriptLength = 48

  /// How a float tensor is stored: matrices as f16 unless they are bf16 or the caller wants another type; vectors as f32,
  /// since they cost next to nothing.
  static func storedType(of tensor: any TensorReader, matrixType: DType?) -> DType {
    guard tensor.shape.count == 2 else { return .f32 }
    return matrixType ?? (tensor.storage == .plain(.bf16) ? .bf16 : .f16)
  }

  /// Writes the artifact at `path`.
  ///
  /// - Parameters:
  ///   - recipe: every option that led here, for provenance.
  ///   - sources: the files that the model was made from; those of `source` unless given.
  ///   - limit: the most bytes that the file may have; a larger one is not written.
  ///   - certificate: makes the record of quality that goes into the file; nil leaves it out.
  /// - Returns: the size of the file in bytes, or the size that it would have had.
  public static func lmz(
    _ source: ModelSource, to path: String, matrixType: DType? = nil, recipe: JSONValue,
    sources: [ArtifactManifest.Provenance.Source]? = nil, limit: Int? = nil, certificate: CertificateRequest? = nil,
    progress: ProgressConsumer? = nil
  ) throws(LMToolError) -> Int {
    try OutputPath.check(path, against: source)
    return try pack(
      source, to: path, matrixType: matrixType, recipe: recipe, sources: sources, limit: limit, certificate: certificate,
      progress: progress)
  }

  /// `lmz` without the check of the output, for `compress`, which reads a folder of its own beside it.
  static func pack(
    _ source: ModelSource, to path: String, matrixType: DType? = nil, recipe: JSONValue,
    sources: [ArtifactManifest.Provenance.Source]?, limit: Int?, certificate: CertificateRequest? = nil,
    progress: ProgressConsumer?
  ) throws(LMToolError) -> Int {
    let stored = source.asStored(matrixType: matrixType)
    let writer = try ArtifactWriter(path: path)
    for (index, tensor) in stored.tensors.values.enumerated() {
      do throws(LMToolError) {
        if let grid = tensor as? any GridTensorReader {
          try writer.add(tensor.name, try grid.readGrid())
        } else if let rate = tensor as? any EncodedRateTensorReader {
          try writer.add(tensor.name, try rate.readEncoded(), tables: rate.tables)
        } else {
          // unrounded, so that an element that does not fit is named as it is
          try writer.add(source.tensors[tensor.name] ?? tensor, as: storedType(of: tensor, matrixType: matrixType))
        }
      } catch { throw error.within(file: source.path) }
      tensor.discard()
      progress?(ProgressUpdate(stage: "export", done: index + 1, total: stored.tensors.count, unit: .tensors))
    }
    if let tokenizer = source.tokenizer { writer.add(blob: "tokenizer", tokenizer.serialized()) }
    if let template = source.chatTemplate { writer.add(blob: "chat_template", Array(template.utf8)) }
    let tensorBytes = try writer.flushed()
    if let limit, let certificate, tensorBytes > limit {
      // Nothing is written, so nothing need be said of it.
      return tensorBytes + certificate.reserve(fileBytes: tensorBytes)
    }
    let record = try certificate?.record(of: stored, fileBytes: limit ?? tensorBytes)
    if let record { writer.add(blob: CertificateRequest.blob, record) }
    let description = ArtifactDescription(
      lmtool: version, config: Importing.configuration(of: source, type: matrixType ?? .f16), generation: source.generation,
      tokenizer: source.tokenizer == nil ? nil : "tokenizer", chatTemplate: source.chatTemplate == nil ? nil : "chat_template",
      certificate: record == nil ? nil : CertificateRequest.blob,
      provenance: .init(sources: sources ?? provenance(of: source), recipe: recipe), transcript: try transcript(of: stored))
    return try writer.finish(description, limit: limit)
  }

  /// Name, size and SHA-256 of every file that a model was read from.
  public static func provenance(of source: ModelSource) -> [ArtifactManifest.Provenance.Source] {
    source.files.map { .init(name: ModelFolder.name($0), size: $0.count, sha256: Digest.hex(of: $0)) }
  }

  /// What the stored model says, greedily, after its first token or after "Once upon a time".
  private static func transcript(of stored: ModelSource) throws(LMToolError) -> ArtifactManifest.Transcript {
    let tokenizer = stored.tokenizer == nil ? nil : try stored.makeTokenizer()
    let encoded = tokenizer?.encode("Once upon a time") ?? []
    let prompt = encoded.isEmpty ? [Int32(0)] : encoded
    let generated = try Transcripts.greedy(try Transformer(stored), prompt: prompt, count: transcriptLength)
    let text = tokenizer.map { String(decoding: $0.decode(generated), as: UTF8.self) }
    return .init(prompt: prompt.map(Int.init), generated: generated.map(Int.init), text: text)
  }
}

/// Greedy generation without end: what `export` records and `verify` repeats.
enum Transcripts {
  /// The `count` most likely tokens after `prompt`, one after the other, as far as the context of the model goes.
  static func greedy(_ model: Transformer, prompt: [Int32], count: Int) throws(LMToolError) -> [Int32] {
    let room = max(0, min(count, model.spec.contextLength - prompt.count))
    guard room > 0 else { return [] }
    let session = Session(model, capacity: prompt.count + room)
    var sampler = Sampler(.greedy)
    var tokens = [sampler.sample(try session.forward(prompt))]
    while tokens.count < room { tokens.append(sampler.sample(try session.forward([tokens[tokens.count - 1]]))) }
    return tokens
  }
}
