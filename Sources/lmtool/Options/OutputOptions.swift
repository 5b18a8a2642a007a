import ArgumentParser

/// How a command speaks.
struct OutputOptions: ParsableArguments {
  @Flag(name: [.short, .long], help: "Show results and errors only: no progress, no notes.")
  var quiet = false

  /// The console that these options ask for.
  var console: Console { Console(isQuiet: quiet) }
}

/// How a command that reports gives its report.
struct ReportOptions: ParsableArguments {
  @Flag(help: "Print the report as JSON on standard output, for other programs; its \"schema\" is a version number.")
  var json = false
}
