import Quantization
import Tensors

/// Checks what a manifest claims against the file, before anything is allocated by its numbers.
struct ManifestCheck {
  let manifest: ArtifactManifest
  /// The bytes between header and manifest.
  let payload: Range<Int>
  /// The size of the file.
  let fileSize: Int

  private var position = ArtifactHeader.size
  private var raw = 0

  static let maximumDimensions = 8

  init(_ manifest: ArtifactManifest, payload: Range<Int>, fileSize: Int) {
    self.manifest = manifest
    self.payload = payload
    self.fileSize = fileSize
  }

  /// - Throws: `badInput` by the rule that is broken, LMZ-8 to LMZ-20.
  mutating func run() throws(LMToolError) {
    guard manifest.format == 1 else {
      throw LMToolError(
        .badInput, "the format is \(manifest.format), not 1; a newer lmtool is needed", at: .key("format"), rule: "LMZ-16")
    }
    try checkNames(manifest.tensors.map(\.name), of: "tensor", rule: "LMZ-11")
    try checkNames(manifest.blobs.map(\.name), of: "blob", rule: "LMZ-15")
    try checkHash(manifest.payloadHash, at: .key("payload_sha256"), rule: "LMZ-17")
    try checkSignatures()
    for tensor in manifest.tensors { try check(tensor) }
    for blob in manifest.blobs { try check(blob) }
    guard position == payload.upperBound else {
      throw LMToolError(
        .badInput, "the streams end at \(position) but the manifest starts at \(payload.upperBound)", at: .offset(position),
        rule: "LMZ-9")
    }
    let named = [
      ("tokenizer", manifest.tokenizer), ("chat_template", manifest.chatTemplate), ("rate", manifest.rate),
      ("certificate", manifest.certificate),
    ]
    for (key, name) in named {
      guard let name, !manifest.blobs.contains(where: { $0.name == name }) else { continue }
      throw LMToolError(.badInput, "there is no blob \(name.printable)", at: .key(key), rule: "LMZ-15")
    }
    if manifest.rate == nil, let tensor = manifest.tensors.first(where: { $0.type == TensorType.rateName }) {
      throw LMToolError(
        .badInput, "there is a rate matrix, but no blob of its codes is named", at: .tensor(tensor.name), rule: "LMZ-18")
    }
  }

  private func checkNames(_ names: [String], of kind: String, rule: String) throws(LMToolError) {
    var seen: Set<String> = []
    for name in names {
      guard (1...512).contains(name.utf8.count), !name.unicodeScalars.contains(where: { $0.value < 32 || $0.value == 127 }) else {
        throw LMToolError(
          .badInput, "the \(kind) name \"\(name.printable)\" is empty, too long or has control characters", rule: rule)
      }
      guard seen.insert(name).inserted else {
        throw LMToolError(.badInput, "two entries have the \(kind) name \(name.printable)", rule: rule)
      }
    }
  }

  private func checkSignatures() throws(LMToolError) {
    let all = manifest.signatures ?? []
    let isForm = all.allSatisfy { [UInt8](hex: $0.key)?.count == 32 && [UInt8](hex: $0.signature)?.count == 64 }
    guard isForm, all.count <= ArtifactManifest.mostSignatures else {
      throw LMToolError(
        .badInput,
        "there are more than \(ArtifactManifest.mostSignatures) signatures, or one is not 64 and 128 hexadecimal digits",
        at: .key("signatures"), rule: "LMZ-20")
    }
  }

  private func checkHash(_ hash: String, at place: LMToolError.Place, rule: String) throws(LMToolError) {
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    let letters = UInt8(ascii: "a")...UInt8(ascii: "f")
    guard hash.utf8.count == 64, hash.utf8.allSatisfy({ digits.contains($0) || letters.contains($0) }) else {
      throw LMToolError(.badInput, "a hash is not 64 lower-case hexadecimal digits", at: place, rule: rule)
    }
  }

  private mutating func check(_ tensor: ArtifactManifest.TensorEntry) throws(LMToolError) {
    let place = LMToolError.Place.tensor(tensor.name)
    guard let type = TensorType(tensor.type) else {
      throw LMToolError(
        .badInput, "the type \(tensor.type.printable) is unknown; a newer lmtool may know it", at: place, rule: "LMZ-11")
    }
    guard (1...Self.maximumDimensions).contains(tensor.shape.count), tensor.shape.allSatisfy({ $0 >= 1 }),
      let count = elementCount(tensor.shape), count <= GridLayout.maximumCount
    else {
      throw LMToolError(
        .badInput, "the shape has \(tensor.shape.count) dimensions, one below 1, or more than 2^40 elements", at: place,
        rule: "LMZ-11")
    }
    try checkHash(tensor.sha256, at: place, rule: "LMZ-14")
    let sizes = try sizes(of: tensor, type)
    guard sizes.count == tensor.streams.count else {
      throw LMToolError(
        .badInput, "\(tensor.type) has \(sizes.count) streams, not \(tensor.streams.count)", at: place, rule: Self.rule(of: type))
    }
    for (stream, size) in zip(tensor.streams, sizes) {
      guard size.raw.contains(stream.raw) else {
        let demanded = size.raw.count == 1 ? "\(size.raw.lowerBound)" : "\(size.raw.lowerBound) to \(size.raw.upperBound)"
        throw LMToolError(
          .badInput, "a stream has \(stream.raw) raw bytes where the shape demands \(demanded)", at: place,
          rule: Self.rule(of: type))
      }
      try check(stream, width: size.width, at: place)
    }
  }

  private func sizes(of tensor: ArtifactManifest.TensorEntry, _ type: TensorType) throws(LMToolError) -> [TensorType.StreamSize] {
    do throws(LMToolError) {
      return try type.streams(shape: tensor.shape)
    } catch {
      throw LMToolError(.badInput, error.message, at: .tensor(tensor.name), rule: Self.rule(of: type))
    }
  }

  private static func rule(of type: TensorType) -> String {
    switch type {
    case .plain: "LMZ-12"
    case .grid: "LMZ-13"
    case .rate: "LMZ-18"
    }
  }

  private mutating func check(_ blob: ArtifactManifest.BlobEntry) throws(LMToolError) {
    try checkHash(blob.sha256, at: .key(blob.name), rule: "LMZ-15")
    try check(blob.stream, width: 1, at: .key(blob.name))
  }

  private mutating func check(_ stream: ArtifactManifest.Stream, width: Int, at place: LMToolError.Place) throws(LMToolError) {
    guard stream.raw >= 0, stream.raw <= 1 << 42, stream.frames.count == Planes.frameCount(raw: stream.raw, width: width) else {
      throw LMToolError(
        .badInput, "\(stream.frames.count) frames do not make up \(stream.raw) raw bytes", at: place, rule: "LMZ-8")
    }
    guard stream.offset == position else {
      throw LMToolError(
        .badInput, "a stream starts at \(stream.offset), but the one before it ends at \(position)", at: place, rule: "LMZ-9")
    }
    for frame in stream.frames {
      guard (1...Frame.maximumPacked).contains(frame), frame <= payload.upperBound - position else {
        throw LMToolError(
          .badInput, "a frame of \(frame) packed bytes at \(position) does not fit into the file", at: place, rule: "LMZ-8")
      }
      position += frame
    }
    raw += stream.raw
    guard raw <= Self.maximumRaw(fileSize: fileSize) else {
      throw LMToolError(
        .badInput, "the file claims to unpack to more than 1024 times its size; this is a decompression bomb", at: place,
        rule: "LMZ-10")
    }
  }

  /// Raw bytes that a file of `fileSize` may claim (rule LMZ-10).
  static func maximumRaw(fileSize: Int) -> Int {
    let (product, overflow) = fileSize.multipliedReportingOverflow(by: 1024)
    return overflow ? Int.max : product + 256 << 20
  }
}
