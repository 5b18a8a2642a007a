import Tensors

/// The names of functions and classes in a pickle. Rule PICKLE-7.
enum PickleNames {
  private static let refusedModules: Set<String> = [
    "os", "posix", "nt", "subprocess", "pty", "runpy", "socket", "shutil", "ctypes", "importlib", "webbrowser",
  ]
  private static let refusedBuiltins: Set<String> = [
    "eval", "exec", "execfile", "compile", "open", "input", "breakpoint", "__import__",
  ]

  /// "module.name".
  ///
  /// - Throws: `badInput` for names that only an attack needs.
  static func join(_ module: String, _ name: String) throws(LMToolError) -> String {
    let top = module.prefix { $0 != "." }, whole = "\(module).\(name)"
    let isBuiltin = top == "builtins" || top == "__builtin__"
    guard !refusedModules.contains(String(top)), !(isBuiltin && refusedBuiltins.contains(String(name.prefix { $0 != "." })))
    else {
      throw LMToolError(
        .badInput,
        "the pickle names \(whole.printable), which no checkpoint needs and which runs code where the file is loaded by Python; "
          + "do not trust it", rule: "PICKLE-7")
    }
    return whole
  }
}
