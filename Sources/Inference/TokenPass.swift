import Kernels
import Models

/// Rows, one for each token under way, on their way through a model: what a text of many tokens and many texts of a token each have in
/// common.
protocol TokenPass: AnyObject {
  /// The model.
  var model: Transformer { get }
  /// Where the rows are.
  var scratch: Scratch { get }
  /// Tokens under way.
  var tokens: Int { get }
  /// The position of a token in its text.
  func position(of token: Int) -> Int
  /// Calls `body` for each token, in parallel where that is worth it.
  func forEachToken(_ body: (Int) -> Void)
  /// Attention of every head of a layer, from the queries, keys and values in the outputs to the activations, coded for what follows.
  func attend(_ layer: LayerPass)
}

extension TokenPass {
  private var width: Int { model.spec.width }

  /// The residual stream of tokens of the vocabulary.
  func embed(_ ids: ArraySlice<Int32>) {
    let first = ids.startIndex, input = model.input
    if let projection = input.projection {
      forEachToken { token in
        input.embedding(Int(ids[first + token]), into: scratch.activations.floats + token * projection.inputs)
        projection.prepare(scratch.activations, rows: token..<token + 1)
      }
      projection.multiply(scratch.activations, tokens: tokens, into: scratch.residual)
    }
    forEachToken { token in
      let row = scratch.residual + token * width
      if input.projection == nil { input.embedding(Int(ids[first + token]), into: row) }
      input.addPosition(position(of: token), to: row, working: scratch.outputs + token * width)
    }
  }

  /// One layer.
  func run(_ layer: LayerPass) {
    let norms = layer.norms
    forEachToken { token in
      enter(norms.attention, token)
      prepare(token, for: layer.queryKeyValue.projection)
    }
    multiply(layer.queryKeyValue)
    attend(layer)
    multiply(layer.output)
    forEachToken { token in
      // In parallel arrangements the MLP reads the stream before attention enters it.
      if norms.isParallel { enter(norms.mlp, token) }
      end(layer.output, norms.attentionEnd, token)
      if !norms.isParallel { enter(norms.mlp, token) }
      prepare(token, for: layer.gateUp.projection)
    }
    multiply(layer.gateUp)
    forEachToken { token in
      let outputs = scratch.outputs + token * layer.gateUp.projection.outputs
      layer.activate(outputs, into: scratch.activations.floats + token * layer.channels)
      prepare(token, for: layer.down.projection)
    }
    multiply(layer.down)
    forEachToken { end(layer.down, norms.mlpEnd, $0) }
  }

  /// The logits of all tokens, whose residual streams begin at `residual`.
  func computeLogits(of residual: UnsafePointer<Float>, into logits: UnsafeMutablePointer<Float>) {
    let output = model.output, next = output.projection ?? model.head
    forEachToken { token in
      enter(output.norm, from: residual + token * width, token)
      prepare(token, for: next)
    }
    if let projection = output.projection {
      projection.multiply(scratch.activations, tokens: tokens, into: scratch.outputs)
      forEachToken { token in
        let start = token * projection.outputs
        (scratch.activations.floats + start).update(from: scratch.outputs + start, count: projection.outputs)
        prepare(token, for: model.head)
      }
    }
    model.head.multiply(scratch.activations, tokens: tokens, into: logits)
    guard !output.isPlain else { return }
    let vocabulary = model.spec.vocabularySize
    forEachToken { output.finish(logits + $0 * vocabulary, count: vocabulary) }
  }

  // MARK: Steps

  /// Codes the activations of one token if the product that follows reads codes.
  func prepare(_ token: Int, for projection: Projection) {
    projection.prepare(scratch.activations, rows: token..<token + 1)
  }

  /// The outputs of all tokens.
  func multiply(_ linear: Linear) {
    linear.projection.multiply(scratch.activations, tokens: tokens, into: scratch.outputs)
  }

  /// The norm of the residual stream of a token, or the stream itself, into the activations.
  private func enter(_ norm: NormPass?, _ token: Int) { enter(norm, from: scratch.residual + token * width, token) }

  private func enter(_ norm: NormPass?, from row: UnsafePointer<Float>, _ token: Int) {
    let x = scratch.activations.floats + token * width
    if let norm { norm.apply(row, into: x) } else { x.update(from: row, count: width) }
  }

  /// Adds the outputs of a token to its residual stream.
  private func end(_ linear: Linear, _ end: BranchEnd, _ token: Int) {
    let y = scratch.outputs + token * width
    linear.addBias(y)
    end.apply(y, to: scratch.residual + token * width, width: width)
  }
}
