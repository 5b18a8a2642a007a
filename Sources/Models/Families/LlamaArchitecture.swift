import Tensors

/// LLaMA 1, 2 and 3.x, SmolLM, TinyLlama: pre-norm blocks with RMSNorm, rotary grouped-query attention and a SiLU-gated MLP.
/// Facts: `transformers` modeling_llama.py.
struct LlamaArchitecture: Architecture {
  let modelTypes = ["llama"]
  var gguf: [any GGUFMapping] { [LlamaGGUF(), LlamaGGUF(hasLayerSizes: true)] }

  func spec(of configuration: Configuration) throws(LMToolError) -> ModelSpec {
    var plan = try SpecPlan(configuration)
    plan.rotate(try configuration.rotary(headSize: plan.headSize))
    plan.activation = try configuration.activation("hidden_act", default: .silu)
    plan.hasQueryKeyValueBias = try configuration.flag("attention_bias", default: false)
    plan.hasOutputBias = plan.hasQueryKeyValueBias
    plan.hasMLPBias = try configuration.flag("mlp_bias", default: false)
    return plan.spec()
  }
}
