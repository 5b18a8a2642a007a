import Tensors

/// What a file is that is no model: so that the error can say what to do about it.
enum ForeignContent {
  case empty
  case lfsPointer
  case page
  case archive(String)
  case oldAdapter
  case json
  case text
  case unknown

  /// Looks at the first bytes of a file.
  init(_ file: MappedFile) {
    let head = file.withBytes(0..<min(file.count, 4096)) { Array($0) }
    self = head.isEmpty ? .empty : Self.byMagic(head) ?? Self.byText(head)
  }

  /// The sentence of the error.
  var sentence: String {
    switch self {
    case .empty: "the file is empty; download it again"
    case .lfsPointer: "this is a Git LFS pointer, not the model itself; run git lfs pull in its repository"
    case .page: "this is an HTML or XML page, as a failed download leaves it, not a model; download it again"
    case .archive(let kind): "this is a \(kind) archive, not a model; unpack it and name the model in it"
    case .oldAdapter: "this is a LoRA adapter of llama.cpp from before GGUF, not a model"
    case .json: "this is JSON text, not the weights; name the model's folder or its weights file"
    case .text: "this is a text file, not a model"
    case .unknown:
      "this is no model that is known: neither safetensors, PyTorch, GGUF, GGML, NumPy, .lmz nor a complete llama2.c .bin; the file "
        + "may be damaged or truncated"
    }
  }

  private static func byMagic(_ head: [UInt8]) -> Self? {
    let archives: [([UInt8], String)] = [
      ([0x50, 0x4B, 3, 4], "ZIP"), ([0x1F, 0x8B], "gzip"), ([0x28, 0xB5, 0x2F, 0xFD], "zstd"),
      ([0xFD, 0x37, 0x7A, 0x58, 0x5A], "xz"), ([0x42, 0x5A, 0x68], "bzip2"), ([0x37, 0x7A, 0xBC, 0xAF], "7z"),
    ]
    if let archive = archives.first(where: { head.starts(with: $0.0) }) { return .archive(archive.1) }
    if head.count > 262 && head[257..<262].elementsEqual("ustar".utf8) { return .archive("tar") }
    return head.starts(with: "algg".utf8) ? .oldAdapter : nil
  }

  private static func byText(_ head: [UInt8]) -> Self {
    guard !head.contains(where: { $0 == 0 || ($0 < 32 && !(8...13 ~= $0) && $0 != 27) }) else { return .unknown }
    let text = String(decoding: head, as: UTF8.self).lowercased().drop { $0.isWhitespace || $0 == "\u{FEFF}" }
    guard !text.unicodeScalars.dropLast(3).contains("\u{FFFD}") else { return .unknown }
    if text.hasPrefix("version https://git-lfs") { return .lfsPointer }
    if ["<!doctype", "<html", "<?xml", "<head", "<!--"].contains(where: text.hasPrefix) { return .page }
    return text.hasPrefix("{") || text.hasPrefix("[") ? .json : .text
  }
}
