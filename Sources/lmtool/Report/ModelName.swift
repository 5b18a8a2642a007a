import Tensors

/// What a path is called where there is little room.
enum ModelName {
  /// The last part of a path.
  static func short(_ path: String) -> String {
    (path.split(separator: "/").last.map(String.init) ?? path).printable
  }
}
