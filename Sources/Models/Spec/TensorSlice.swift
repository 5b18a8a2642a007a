import Tensors

/// Where the rows of a tensor lie in a tensor of a checkpoint (MODEL-8). A vector is a matrix of one column; so is a stored matrix whose
/// elements are those of a vector.
///
/// Row r lies at stored row first + (r' / run) · stride + r' % run, with r' = r, or in another order within each head.
public struct TensorSlice: Sendable, Hashable {
  /// The name of the stored tensor.
  public var name: String
  /// Its dimensions as they are stored, outermost first.
  public var shape: [Int]
  /// How many rows of the tensor lie there.
  public var rows: Int
  /// The stored row of the first.
  public var first = 0
  /// Rows that follow one another.
  public var run: Int
  /// Stored rows from the start of one run to that of the next.
  public var stride: Int
  /// The order of the rows of each head, where it is not that of Hugging Face's LLaMA.
  public var order: RowOrder?
  /// Whether what is a row here is a column there: [inputs, outputs].
  public var isTransposed = false
  /// What was added to every element before it was stored.
  public var addend: Float = 0

  /// A stored tensor of `shape`, all of it.
  public init(_ name: String, shape: [Int]) {
    self.name = name
    self.shape = shape
    rows = shape.first ?? 0
    run = rows
    stride = rows
  }

  /// Rows `first`..<`first` + `rows` of a stored tensor of `shape`.
  public init(_ name: String, shape: [Int], first: Int, rows: Int) {
    self.init(name, shape: shape)
    self.first = first
    self.rows = rows
    run = rows
    stride = rows
  }

  /// In a stored tensor of `shape` that holds `parts` tensors head by head, the one at index `part`.
  public init(_ name: String, shape: [Int], part: Int, of parts: Int, headSize: Int) {
    self.init(name, shape: shape)
    rows = (shape.first ?? 0) / parts
    first = part * headSize
    run = headSize
    stride = parts * headSize
  }

  /// The same place in a stored tensor whose dimensions are exchanged.
  public var transposed: TensorSlice {
    var slice = self
    slice.isTransposed = true
    slice.shape = shape.reversed()
    return slice
  }

  /// Where row `row` is stored.
  public func storedRow(_ row: Int) -> Int {
    let ordered = order?.source(row) ?? row
    return first + ordered / run * stride + ordered % run
  }

  /// Which row is stored at `stored`; nil when it is none of these.
  public func row(stored: Int) -> Int? {
    let distance = stored - first
    guard distance >= 0, distance % stride < run else { return nil }
    let ordered = distance / stride * run + distance % stride
    return ordered < rows ? order?.inverse.source(ordered) ?? ordered : nil
  }

  /// How many rows from `row` on are stored one after the other.
  func together(from row: Int) -> Int { order == nil ? min(run - row % run, rows - row) : 1 }

  /// Whether this is a stored tensor as it is, under its own name.
  func isWhole(of tensor: TensorSpec) -> Bool { self == TensorSlice(tensor.name, shape: tensor.shape) }
}

/// The two orders of the rows of a head with rotary embedding: the pairs that are rotated together as first halves, then second
/// halves, as Hugging Face's LLaMA has them, or interleaved.
public enum RowOrder: Sendable, Hashable {
  /// Reads interleaved rows in half order. `rotated` rows of each head, from its first on, are in pairs; nil for all.
  case halfFromInterleaved(headSize: Int, rotated: Int? = nil)
  /// Reads rows in half order interleaved.
  case interleavedFromHalf(headSize: Int, rotated: Int? = nil)

  /// The row of the source that becomes row `row`.
  public func source(_ row: Int) -> Int {
    switch self {
    case .halfFromInterleaved(let size, let rotated):
      let head = row / size * size, place = row % size, rotated = rotated ?? size
      guard place < rotated else { return row }
      return place < rotated / 2 ? head + 2 * place : head + 2 * (place - rotated / 2) + 1
    case .interleavedFromHalf(let size, let rotated):
      let head = row / size * size, place = row % size, rotated = rotated ?? size
      guard place < rotated else { return row }
      return head + place / 2 + (place % 2) * (rotated / 2)
    }
  }

  /// The order that undoes this one.
  public var inverse: RowOrder {
    switch self {
    case .halfFromInterleaved(let size, let rotated): .interleavedFromHalf(headSize: size, rotated: rotated)
    case .interleavedFromHalf(let size, let rotated): .halfFromInterleaved(headSize: size, rotated: rotated)
    }
  }
}
