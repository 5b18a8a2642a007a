import Tensors

/// One stretch of a llama2.c file: the same tensor of one or all layers.
struct Llama2cSection {
  /// Names of the tensors, one after the other; empty for what is skipped.
  let names: [String]
  /// The shape of each.
  let shape: [Int]
  /// Whether version 2 stores it as codes and scales.
  let isMatrix: Bool
}

/// The order of tensors in the three versions, from `export.py`.
struct Llama2cLayout {
  let header: Llama2cHeader

  /// The sections in the order of the file.
  var sections: [Llama2cSection] { header.version == 0 ? legacy : current }

  private var legacy: [Llama2cSection] {
    let tables = Llama2cSection(
      names: [], shape: [header.dimensions.maximumSequenceLength, header.dimensions.headSize], isMatrix: false)
    return [embedding, attentionNorms] + attention + [feedForwardNorms] + feedForward + [norm, tables] + output
  }

  private var current: [Llama2cSection] {
    [attentionNorms, feedForwardNorms, norm, embedding] + attention + feedForward + output
  }

  private var embedding: Llama2cSection { matrix(["tok_embeddings.weight"], header.dimensions.vocabularySize) }
  private var norm: Llama2cSection { vector(["norm.weight"]) }
  private var attentionNorms: Llama2cSection { vector(layers("attention_norm")) }
  private var feedForwardNorms: Llama2cSection { vector(layers("ffn_norm")) }
  private var output: [Llama2cSection] {
    header.isTied ? [] : [matrix(["output.weight"], header.dimensions.vocabularySize)]
  }

  private var attention: [Llama2cSection] {
    let dimensions = header.dimensions
    return [
      matrix(layers("attention.wq"), dimensions.dim), matrix(layers("attention.wk"), dimensions.kvDim),
      matrix(layers("attention.wv"), dimensions.kvDim), matrix(layers("attention.wo"), dimensions.dim),
    ]
  }

  private var feedForward: [Llama2cSection] {
    let dimensions = header.dimensions
    return [
      matrix(layers("feed_forward.w1"), dimensions.hiddenDim),
      Llama2cSection(
        names: layers("feed_forward.w2"), shape: [dimensions.dim, dimensions.hiddenDim], isMatrix: true),
      matrix(layers("feed_forward.w3"), dimensions.hiddenDim),
    ]
  }

  private func layers(_ name: String) -> [String] { (0..<header.dimensions.layers).map { "layers.\($0).\(name).weight" } }

  private func vector(_ names: [String]) -> Llama2cSection {
    Llama2cSection(names: names, shape: [header.dimensions.dim], isMatrix: false)
  }

  private func matrix(_ names: [String], _ rows: Int) -> Llama2cSection {
    Llama2cSection(names: names, shape: [rows, header.dimensions.dim], isMatrix: true)
  }
}
