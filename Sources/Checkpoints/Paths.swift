#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Whether `path` is a folder that exists.
func isFolder(_ path: String) -> Bool { mode(of: path) == S_IFDIR }

/// Whether `path` is a regular file that exists.
func isFile(_ path: String) -> Bool { mode(of: path) == S_IFREG }

/// Whether anything is at `path`.
func exists(_ path: String) -> Bool { mode(of: path) != nil }

private func mode(of path: String) -> mode_t? {
  var status = stat()
  guard stat(path, &status) == 0 else { return nil }
  return status.st_mode & S_IFMT
}

/// The folder of a file, with a slash at its end; empty for a file of the working directory.
func parentFolder(of path: String) -> String {
  path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
}
