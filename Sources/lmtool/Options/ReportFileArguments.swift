import ArgumentParser

/// Where a command that compresses writes its report.
struct ReportFileArguments: ParsableArguments {
  @Option(
    name: .customLong("report"),
    help: ArgumentHelp(
      """
      Write what was chosen for each tensor, what the file consists of, and quality before and after: as a page for people (.html, needs \
      nothing but a browser) or for other programs (.json).
      """, valueName: "file"), completion: .file(extensions: ["html", "json"]), transform: ReportFile.init(parsing:))
  var file: ReportFile?
}
