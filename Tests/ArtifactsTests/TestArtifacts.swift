import Artifacts
import CZstd
import Quantization
import Tensors
import TestSupport

extension TestFolder {
  /// Writes a file that is to be refused and returns its path.
  func write(_ bytes: [UInt8]) throws(LMToolError) -> String { try write("hostile.lmz", bytes) }
}

/// Floats between -1 and 1 in no order, the same every time.
func wave(_ count: Int) -> [Float] {
  var noise = Noise(1)
  return noise.floats(count)
}

func scheme(_ name: String) -> GridScheme {
  guard let scheme = GridScheme(name: name) else { fatalError("no scheme \(name)") }
  return scheme
}

func grid(_ shape: [Int], _ name: String) throws(LMToolError) -> GridTensor {
  let tensor = FloatTensor(name: "test", shape: shape, floats: wave(shape[0] * shape[1]))
  return try ClipSearch(scheme(name)).quantize(tensor)
}

let description = ArtifactDescription(
  lmtool: "test", config: .object(["model_type": .string("llama"), "rms_norm_eps": .double(1e-5)]),
  generation: .object(["max_length": .int(32)]), tokenizer: "tokenizer.json", chatTemplate: "chat_template.jinja",
  provenance: .init(
    sources: [.init(name: "model.safetensors", size: 12, sha256: String(repeating: "ab", count: 32))],
    recipe: .object(["scheme": .string("int4-g32")])),
  transcript: .init(prompt: [1, 2], generated: [3], text: "so"))

/// A small artifact with two quantized tensors, three plain ones and two blobs.
func writeSample(_ path: String) throws(LMToolError) {
  let writer = try ArtifactWriter(path: path)
  try writer.add("a.weight", try grid([6, 65], "int4-g32"))
  try writer.add("b.weight", try grid([5, 40], "int8-row-min"))
  for (name, type) in [("f32", DType.f32), ("f16", .f16), ("bf16", .bf16)] {
    try writer.add(FloatTensor(name: name, shape: [3, 5, 2], floats: wave(30)), as: type)
  }
  writer.add(blob: "tokenizer.json", Array("{\"version\": \"1.0\"}".utf8))
  writer.add(blob: "chat_template.jinja", [])
  try writer.finish(description)
}

/// What opening the file at `path` says: nil, or the error.
func refusal(_ path: String) -> LMToolError? {
  do throws(LMToolError) { _ = try Artifact(path: path) } catch { return error }
  return nil
}

/// A file built from parts that need not fit: frames as they come, a manifest as it comes.
struct HostileFile {
  var frames: [[UInt8]] = []
  var tensors: [JSONValue] = []
  var blobs: [JSONValue] = []
  var more: [String: JSONValue] = [:]
  var payloadHash: String?

  /// A frame of `raw` as the writer makes it.
  static func frame(_ raw: [UInt8], level: Int32 = 1, checksum: Int32 = 1, size: Int32 = 1, window: Int32? = nil) -> [UInt8] {
    let context = ZSTD_createCCtx()
    defer { ZSTD_freeCCtx(context) }
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, checksum)
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, size)
    if let window { ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window) }
    var output = [UInt8](repeating: 0, count: ZSTD_compressBound(raw.count) + 64)
    var input = ZSTD_inBuffer(src: nil, size: raw.count, pos: 0)
    let written = raw.withUnsafeBytes { raw in
      input.src = raw.baseAddress
      if window == nil && size == 1 { return ZSTD_compress2(context, &output, output.count, raw.baseAddress, raw.count) }
      return output.withUnsafeMutableBytes { target in
        var result = ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
        if size == 1 { ZSTD_CCtx_setPledgedSrcSize(context, UInt64(raw.count)) }
        _ = ZSTD_compressStream2(context, &result, &input, ZSTD_e_end)
        return result.pos
      }
    }
    return Array(output[..<written])
  }

  /// A stream entry.
  static func stream(_ offset: Int, _ raw: Int, _ frames: [Int]) -> JSONValue {
    .object(["offset": .int(offset), "raw": .int(raw), "frames": .array(frames.map { .int($0) })])
  }

  /// A tensor entry.
  static func tensor(
    _ name: String, _ shape: [Int], _ type: String, sha256: String = String(repeating: "0", count: 64), _ streams: [JSONValue]
  ) -> JSONValue {
    .object([
      "name": .string(name), "shape": .array(shape.map { .int($0) }), "type": .string(type), "sha256": .string(sha256),
      "streams": .array(streams),
    ])
  }

  /// A file with one F32 tensor of one element, zero, whose streams are the frames given.
  static func scalar(frames: [[UInt8]]) -> HostileFile {
    var file = HostileFile()
    file.frames = frames
    let zeros = Digest.hex([0, 0, 0, 0])
    file.tensors = [tensor("x", [1], "F32", sha256: zeros, [stream(64, 4, frames.map(\.count))])]
    return file
  }

  var manifest: JSONValue {
    let payload = frames.flatMap { $0 }
    var members: [String: JSONValue] = [
      "format": .int(1), "lmtool": .string("test"), "config": .object([:]), "tensors": .array(tensors), "blobs": .array(blobs),
      "payload_sha256": .string(payloadHash ?? Digest.hex(payload)),
      "provenance": .object(["sources": .array([]), "recipe": .null]),
    ]
    members.merge(more) { $1 }
    return .object(members)
  }

  /// The bytes of the file.
  func bytes() throws(LMToolError) -> [UInt8] { try bytes(json: try encodeJSON(manifest)) }

  /// The bytes of the file with this manifest.
  func bytes(json: [UInt8], frame: [UInt8]? = nil, rawLength: Int? = nil) throws(LMToolError) -> [UInt8] {
    let packed = frame ?? Self.frame(json)
    let payload = frames.flatMap { $0 }
    var header: [UInt8] = [0x89, 0x4C, 0x4D, 0x5A, 0x0D, 0x0A, 0x1A, 0x0A, 1, 0, 0, 0, 0, 0, 0, 0]
    func append(_ value: Int, size: Int) { header += (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    append(64 + payload.count, size: 8)
    append(packed.count, size: 4)
    append(rawLength ?? json.count, size: 4)
    let digits = Array(Digest.hex(packed))
    header += stride(from: 0, to: 64, by: 2).map { UInt8(String(digits[$0...($0 + 1)]), radix: 16)! }
    return header + payload + packed
  }
}
