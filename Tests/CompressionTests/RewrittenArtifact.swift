import Artifacts
import Compression
import Tensors
import TestSupport

/// Writes a float artifact again, with hashes that hold, but with other tensors or another record.
func writeAgain(
  _ path: String, to again: String, tensor change: (String, inout [Float]) -> Void = { _, _ in },
  record: (inout Certificate) -> Void = { _ in }
) throws {
  let artifact = try Artifact(path: path), manifest = artifact.manifest
  let writer = try ArtifactWriter(path: again)
  for tensor in artifact.tensors {
    var values = try tensor.readAll()
    change(tensor.name, &values)
    try writer.add(
      FloatTensor(name: tensor.name, shape: tensor.shape, floats: values), as: tensor.shape.count == 2 ? .f16 : .f32)
  }
  for blob in manifest.blobs {
    var bytes = try artifact.blob(blob.name)
    if blob.name == manifest.certificate {
      var certificate = try Certificate(encoded: bytes)
      record(&certificate)
      bytes = try certificate.encoded()
    }
    writer.add(blob: blob.name, bytes)
  }
  try writer.finish(
    ArtifactDescription(
      lmtool: manifest.lmtool, config: manifest.config, tokenizer: manifest.tokenizer, certificate: manifest.certificate,
      provenance: manifest.provenance))
}
