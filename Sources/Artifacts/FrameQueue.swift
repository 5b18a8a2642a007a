import Kernels
import Tensors

/// Frames on their way into a file: packed in parallel, a bounded number of bytes at a time, and appended in order.
struct FrameQueue {
  private struct Pending {
    let raw: [UInt8]
    let level: Int32
    let stream: Int
  }

  /// Raw bytes that may wait.
  private static let capacity = 32 << 20

  private let output: OutputFile
  private var waiting: [Pending] = []
  private var waitingBytes = 0
  private var digest = Digest()
  /// Packed lengths of the frames of every stream.
  private(set) var frames: [[Int]] = []

  init(_ output: OutputFile) { self.output = output }

  /// Starts a stream and returns its index; the frames that follow belong to it.
  mutating func beginStream() -> Int {
    frames.append([])
    return frames.count - 1
  }

  /// Adds the next frame of the stream that was begun last.
  mutating func add(_ raw: [UInt8], level: Int32) throws(LMToolError) {
    if waitingBytes + raw.count > Self.capacity { try flush() }
    waiting.append(Pending(raw: raw, level: level, stream: frames.count - 1))
    waitingBytes += raw.count
  }

  /// Packs and writes everything that waits.
  mutating func flush() throws(LMToolError) {
    let jobs = waiting
    var packed = [[UInt8]](repeating: [], count: jobs.count)
    var failure: LMToolError?
    packed.withUnsafeMutableBufferPointer { results in
      do throws(LMToolError) {
        try ThreadPool.shared.forEach(jobs.count) { (index) throws(LMToolError) in
          results[index] = try jobs[index].raw.withUnsafeBytesTyped { (raw) throws(LMToolError) in
            try Frame.pack(raw, level: jobs[index].level)
          }
        }
      } catch { failure = error }
    }
    if let failure { throw failure }
    for (job, frame) in zip(jobs, packed) {
      try output.write(frame)
      frame.withUnsafeBytes { digest.update($0) }
      frames[job.stream].append(frame.count)
    }
    waiting = []
    waitingBytes = 0
  }

  /// SHA-256 of all frames written so far.
  func hash() -> String { digest.hex() }
}
