/// A page that needs nothing but itself: its styles are inside, nothing is fetched, nothing is run.
package enum Page {
  /// The whole file.
  package static func html(title: String, body: [HTML]) -> HTML {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8"/>
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
    <meta name="viewport" content="width=device-width, initial-scale=1"/>
    <meta name="color-scheme" content="light dark"/>
    <title>\(title)</title>
    <style>\(styles)</style>
    </head>
    <body>
    <main>
    <h1>\(title)</h1>
    \(body)
    </main>
    </body>
    </html>

    """
  }

  /// A figure with its name, large.
  static func figure(_ name: String, _ value: String, note: String = "") -> HTML {
    "<div class=\"figure\"><span>\(name)</span><strong>\(value)</strong><small>\(note)</small></div>\n"
  }

  /// A table. Cells of columns whose index is in `words` are set left and may be long names; the others are numbers.
  static func table(_ titles: [String], words: Set<Int> = [0], rows: [[HTML]]) -> HTML {
    let head = titles.enumerated().map { index, title -> HTML in
      words.contains(index) ? "<th scope=\"col\" class=\"word\">\(title)</th>" : "<th scope=\"col\">\(title)</th>"
    }
    let body = rows.map { cells -> HTML in
      let cells = cells.enumerated().map { index, cell -> HTML in
        words.contains(index) ? "<td class=\"word\">\(cell)</td>" : "<td>\(cell)</td>"
      }
      return "<tr>\(cells)</tr>\n"
    }
    return """
      <div class="wide"><table>
      <thead><tr>\(head)</tr></thead>
      <tbody>
      \(body)</tbody>
      </table></div>

      """
  }

  /// Series are told apart by colours of Okabe and Ito, which colour-blind readers distinguish, and by the shapes of their marks.
  private static let styles: HTML = """

    :root { --page: #fff; --text: #1b1f24; --soft: #59636e; --line: #d9dee3; --card: #f5f7f9; --heat: #08519c; --on-heat: #fff;
      --s0: #0072b2; --s1: #d55e00; --s2: #009e73; --s3: #b4568c; --s4: #b88a00; --s5: #56b4e9; --s6: #6f6f6f; --s7: #8c564b; }
    @media (prefers-color-scheme: dark) { :root { --page: #14171a; --text: #e4e8ec; --soft: #9aa4ae; --line: #343b42;
      --card: #1d2226; --heat: #9ecae1; --on-heat: #0b1a26; --s0: #56b4e9; --s1: #f0884a; --s2: #2ec79a; --s3: #d98cb9;
      --s4: #e0b33a; --s5: #3a8fd0; --s6: #a3a3a3; --s7: #c49c94; } }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
    main { max-width: 66rem; margin: 0 auto; padding: 1.5rem; }
    h1 { font-size: 1.5rem; overflow-wrap: anywhere; margin: 0 0 1rem; }
    h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; overflow-wrap: anywhere; }
    p { max-width: 46rem; } .soft, small, figcaption { color: var(--soft); }
    .figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .7rem; }
    .figure { background: var(--card); border-radius: .5rem; padding: .7rem .9rem; display: flex; flex-direction: column; }
    .figure span { color: var(--soft); font-size: .85rem; }
    .figure strong { font-size: 1.5rem; font-variant-numeric: tabular-nums; line-height: 1.3; }
    .wide { overflow-x: auto; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem; }
    th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
    th { color: var(--soft); font-weight: 600; }
    .word { text-align: left; white-space: normal; overflow-wrap: anywhere; unicode-bidi: isolate; }
    .heat td { border: 1px solid var(--page); text-align: center; min-width: 4.2rem; padding: .12rem .3rem; }
    .heat th { border: 0; padding: .12rem .5rem; }
    .heat .high { color: var(--on-heat); }
    .scale { display: inline-block; width: 9rem; height: .7rem; margin: 0 .5rem; vertical-align: middle; }
    .swatch { display: inline-block; width: .8rem; height: .8rem; border-radius: .15rem; margin-right: .5rem; vertical-align: middle; }
    figure { margin: 0 0 1rem; } svg { display: block; width: 100%; height: auto; }
    .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }
    svg text { fill: var(--text); font: 12px system-ui, sans-serif; } svg .soft { fill: var(--soft); }
    svg .title { font-weight: 600; font-size: 14px; }
    .grid line { stroke: var(--line); } .frame { fill: none; stroke: var(--soft); }
    .reference { stroke: var(--soft); stroke-dasharray: 5 4; } .unused { fill: none; stroke: var(--soft); stroke-dasharray: 4 3; }
    polyline[points] { fill: none; stroke-width: 2; }
    .s0 { fill: var(--s0); stroke: var(--s0); background: var(--s0); } .s1 { fill: var(--s1); stroke: var(--s1); background: var(--s1); }
    .s2 { fill: var(--s2); stroke: var(--s2); background: var(--s2); } .s3 { fill: var(--s3); stroke: var(--s3); background: var(--s3); }
    .s4 { fill: var(--s4); stroke: var(--s4); background: var(--s4); } .s5 { fill: var(--s5); stroke: var(--s5); background: var(--s5); }
    .s6 { fill: var(--s6); stroke: var(--s6); background: var(--s6); } .s7 { fill: var(--s7); stroke: var(--s7); background: var(--s7); }
    details summary { cursor: pointer; color: var(--soft); }
    @media print { main { max-width: none; padding: 0; } body { font-size: 11px; } section, figure, tr { break-inside: avoid; }
      * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
      details::details-content { content-visibility: visible; block-size: auto; } }

    """
}
