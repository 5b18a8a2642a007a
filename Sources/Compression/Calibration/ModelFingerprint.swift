import Models
import Tensors

/// Tells models apart without reading them whole.
enum ModelFingerprint {
  /// Elements of each tensor that are looked at.
  private static let elements = 4096

  /// SHA-256 over the name, the shape and the first elements of every tensor (CAL-3).
  ///
  /// - Throws: `badInput` when a tensor cannot be read.
  static func of(_ source: ModelSource) throws(LMToolError) -> String {
    var digest = Digest()
    for spec in source.spec.tensors {
      let tensor = try source.tensor(spec)
      let shape = spec.shape.map(String.init).joined(separator: "x")
      Array("\(spec.name) \(shape)\n".utf8).withUnsafeBytes { digest.update($0) }
      let count = min(elements, tensor.count)
      let floats = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
      defer { floats.deallocate() }
      do throws(LMToolError) { try tensor.read(0..<count, into: floats) } catch { throw error.within(file: source.path) }
      digest.update(UnsafeRawBufferPointer(floats))
    }
    return digest.hex()
  }
}
