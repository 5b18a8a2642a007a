import Checkpoints
import Tensors
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Ctrl-C, and a disk that is full, while a command writes.
struct InterruptTests {
  let scratch = TestFolder()

  /// A model whose stages take a second or so: a wide embedding, one layer.
  private func writeLargeModel() throws -> String {
    let folder = scratch.path("model"), vocabulary = 60_000, width = 256
    mkdir(folder, 0o755)
    let shapes: [(String, [Int])] = [
      ("model.embed_tokens.weight", [vocabulary, width]), ("model.layers.0.input_layernorm.weight", [width]),
      ("model.layers.0.self_attn.q_proj.weight", [width, width]), ("model.layers.0.self_attn.k_proj.weight", [width, width]),
      ("model.layers.0.self_attn.v_proj.weight", [width, width]), ("model.layers.0.self_attn.o_proj.weight", [width, width]),
      ("model.layers.0.post_attention_layernorm.weight", [width]), ("model.layers.0.mlp.gate_proj.weight", [width, width]),
      ("model.layers.0.mlp.up_proj.weight", [width, width]), ("model.layers.0.mlp.down_proj.weight", [width, width]),
      ("model.norm.weight", [width]),
    ]
    let writer = try SafetensorsWriter(
      path: folder + "/model.safetensors", entries: shapes.map { SafetensorsEntry(name: $0.0, dtype: .f32, shape: $0.1) })
    let row = (0..<4 * width).map { UInt8(truncatingIfNeeded: $0 % 4 == 3 ? 61 : $0 &* 37) }
    for shape in shapes {
      for _ in 0..<(shape.1.reduce(1, *) / width) {
        try row.withUnsafeBytesTyped { (bytes) throws(LMToolError) in try writer.write(raw: bytes) }
      }
    }
    try writer.finish()
    let config = """
      {"model_type": "llama", "hidden_size": \(width), "intermediate_size": \(width), "num_hidden_layers": 1,
       "num_attention_heads": 4, "vocab_size": \(vocabulary), "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
       "tie_word_embeddings": true}
      """
    try scratch.write("model/config.json", config)
    return folder
  }

  /// Waits until something stands beside the model, which is when writing has begun.
  private func waitForOutput() { while scratch.names.count < 2 { usleep(200) } }

  @Test(
    arguments: [
      ["import"], ["import", "--dtype", "f16"], ["quantize", "--scheme", "int4-g32"], ["export"], ["compress"],
      ["export", "--to", "safetensors"],
    ])
  func ctrlCLeavesNothing(words: [String]) throws {
    let model = try writeLargeModel()
    let process = try LMToolProcess(arguments: [words[0], model, "-o", scratch.path("out")] + words.dropFirst())
    waitForOutput()
    process.signal(SIGINT)
    #expect(process.exitStatus() == 130)
    #expect(process.readError().hasSuffix("lmtool: interrupted\n"))
    #expect(scratch.names == ["model"])
  }

  @Test(arguments: [["import"], ["quantize", "--scheme", "int8-g32"], ["export"], ["compress"]])
  func aFullDiskLeavesNothing(words: [String]) throws {
    let model = try writeLargeModel()
    // No file of more than 200 blocks can be written: to a program the same as a disk that is full.
    let process = try LMToolProcess(
      arguments: [words[0], model, "-o", scratch.path("out")] + words.dropFirst(),
      shell: "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\"")
    let error = process.readError()
    #expect(error.contains("out") && error.contains("File too large"))
    #expect(process.exitStatus() == 74)
    #expect(scratch.names == ["model"])
  }
}
