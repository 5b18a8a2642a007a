import Synchronization
import Tensors

/// The frames unpacked last, by their offset in the file, so that reading a tensor in small pieces unpacks each frame once.
final class FrameCache: Sendable {
  /// Unpacked frames that are kept: at most 32 MiB.
  private static let capacity = 8

  private let entries = Mutex<[(offset: Int, bytes: [UInt8])]>([])

  /// The frame at `offset`, from the cache or by `unpack`, which runs outside the lock.
  func frame(at offset: Int, unpack: () throws(LMToolError) -> [UInt8]) throws(LMToolError) -> [UInt8] {
    if let bytes = entries.withLock({ Self.touch(offset, in: &$0) }) { return bytes }
    let bytes = try unpack()
    entries.withLock { entries in
      if entries.contains(where: { $0.offset == offset }) { return }
      if entries.count == Self.capacity { entries.removeFirst() }
      entries.append((offset, bytes))
    }
    return bytes
  }

  private static func touch(_ offset: Int, in entries: inout [(offset: Int, bytes: [UInt8])]) -> [UInt8]? {
    guard let index = entries.firstIndex(where: { $0.offset == offset }) else { return nil }
    let entry = entries.remove(at: index)
    entries.append(entry)
    return entry.bytes
  }
}
