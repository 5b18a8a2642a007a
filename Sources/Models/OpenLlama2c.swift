import Checkpoints
import OrderedCollections
import Tensors
import Tokenizers

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension ModelSource {
  /// Opens a llama2.c checkpoint. Its tokenizer is looked for beside it.
  public static func open(llama2c path: String) throws(LMToolError) -> ModelSource {
    let file = try Llama2cFile(path: path)
    let config = configuration(of: file)
    let spec = try Architectures.spec(of: Configuration(config, file: path))
    let (tensors, unused) = try MetaNames.cut(file.tensors, spec, path: path)
    let (definition, tokenizerFile, problem) = tokenizerBeside(path, vocabularySize: spec.vocabularySize)
    var source = try ModelSource(
      path: path, format: "llama2.c v\(file.version)", spec: spec, config: config, available: tensors,
      unused: unused, files: [file.file] + (tokenizerFile.map { [$0] } ?? []))
    source.tokenizer = definition
    source.tokenizerProblem = problem
    return source
  }

  /// llama2.c has no configuration; these are the constants of its `model.py`.
  private static func configuration(of file: Llama2cFile) -> JSONValue {
    let size = file.dimensions
    return .object([
      "architectures": .array([.string("LlamaForCausalLM")]), "model_type": .string("llama"), "hidden_size": .int(size.dim),
      "intermediate_size": .int(size.hiddenDim), "num_hidden_layers": .int(size.layers), "num_attention_heads": .int(size.heads),
      "num_key_value_heads": .int(size.kvHeads), "vocab_size": .int(size.vocabularySize),
      "max_position_embeddings": .int(size.maximumSequenceLength), "rms_norm_eps": .double(1e-5), "rope_theta": .double(10000),
      "tie_word_embeddings": .bool(file.isTied), "hidden_act": .string("silu"), "bos_token_id": .int(1), "eos_token_id": .int(2),
    ])
  }

  /// The first tokenizer beside the checkpoint that has as many tokens: tokenizer.bin, tokN.bin, tokenizer.model.
  private static func tokenizerBeside(
    _ path: String, vocabularySize: Int
  ) -> (definition: TokenizerDefinition?, file: MappedFile?, problem: LMToolError?) {
    let folder = parent(of: path)
    var problem: LMToolError?
    for name in ["tok\(vocabularySize).bin", "tokenizer.bin", "tok\(vocabularySize).model", "tokenizer.model"] {
      let candidate = folder + "/" + name
      guard access(candidate, F_OK) == 0 else { continue }
      do throws(LMToolError) {
        let definition =
          name.hasSuffix(".bin")
          ? try TokenizerDefinition.read(llama2c: candidate, vocabularySize: vocabularySize)
          : try TokenizerDefinition.read(sentencePiece: candidate)
        if definition.vocabularySize == vocabularySize { return (definition, try MappedFile(path: candidate), nil) }
      } catch { problem = error }
    }
    return (nil, nil, problem)
  }
}
