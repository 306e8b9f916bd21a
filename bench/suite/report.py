# SPDX-License-Identifier: MPL-2.0
"""A report of a run: one HTML page with its plots inside, and lines of text for a terminal."""
from html import escape

from suite import limits, plan, plots
from suite.compare import index

STYLE = (":root{color-scheme:light dark;--ink:#222;--frame:#ccc;--bar:#3b6ea8;--goal:#b03a2e;"
         "--note:#666;--page:#fff}"
         "@media(prefers-color-scheme:dark){:root{--ink:#ddd;--frame:#555;--bar:#6ea3de;"
         "--goal:#e5786d;--note:#999;--page:#1b1b1b}}"
         "body{font:15px/1.45 sans-serif;max-width:80em;margin:2em auto;padding:0 1em;"
         "color:var(--ink);background:var(--page)}"
         "div.wide{overflow-x:auto}table{border-collapse:collapse;margin:1em 0}"
         "td,th{border-bottom:1px solid var(--frame);padding:.2em .6em;text-align:right;"
         "white-space:nowrap}td:first-child,th:first-child,.text{text-align:left}"
         "td.note,td.text{white-space:normal;text-align:left}td.note{min-width:18em}"
         ".bad{color:var(--goal)}.note{color:var(--note);font-size:90%}"
         "svg{display:block;margin:1em 0;max-width:100%;height:auto}"
         "div.curves{display:grid;grid-template-columns:repeat(auto-fit,minmax(30em,1fr));"
         "gap:0 1em}pre{overflow-x:auto;font-size:85%}li{margin:.2em 0}")


STAGE_SHARE_MIN = 0.005  # less is noise of the samples


def label(case):
    """What is to be known about a case before its figure is believed."""
    words = []
    if case.get("skipped"):
        return [f"skipped: {case['skipped']}"]
    if not case["exact"]:
        words.append("totals not exact")
    if case["failed"]:
        words.append("failed")
    machine = case["machine"]
    if machine.get("distance") == "far":
        hop = machine["hop_ns"]
        words.append(f"cores far apart ({hop['before']:.0f} ns before, {hop['after']:.0f} after)")
    if machine.get("disturbed_runs"):
        words.append(f"{machine['disturbed_runs']} disturbed runs")
    return words


def _goal_word(case, goal):
    if goal is None or not case["median"]:
        return ""
    return "reached" if case["median"] >= goal else f"{case['median'] / goal * 100:.0f} % of it"


def rows(report):
    """Of all cases: program, case, median, min, max, unit, runs, cycles, goal, word, notes"""
    for case in report["cases"]:
        goal = plan.GOALS.get((case["name"], case["case"]), (None,))[0]
        yield {
            "program": case["name"], "case": case["case"], "unit": case["unit"],
            "median": case["median"], "min": case["min"], "max": case["max"],
            "runs": case["runs"], "cycles": case.get("cycles_per_item"), "goal": goal,
            "word": _goal_word(case, goal), "notes": label(case),
        }


def ratios(report):
    """[(text, ratio, at least)] of the cases that are there."""
    found = index(report)
    result = []
    for program, case, of_case, least, text in plan.RATIOS:
        a, b = found.get((program, case)), found.get((program, of_case))
        if a and b and a["median"] and b["median"]:
            result.append((text, a["median"] / b["median"], least))
    return result


def text(report):
    """Lines for a terminal."""
    lines = []
    for row in rows(report):
        what = f"{row['program']} {row['case']}"
        if row["runs"]:
            cycles = f", {row['cycles']:.0f} cycles" if row["cycles"] else ""
            goal = f"  goal {plots.scaled(row['goal'])}: {row['word']}" if row["goal"] else ""
            lines.append(f"{what:32} {plots.scaled(row['median']):>8} {row['unit']} "
                         f"({plots.scaled(row['min'])} to {plots.scaled(row['max'])}, "
                         f"{row['runs']} runs{cycles}){goal}")
        else:
            lines.append(f"{what:32} no figure")
        lines += [f"{'':32} {note}" for note in row["notes"]]
    for what, ratio, least in ratios(report):
        lines.append(f"{what:50} {ratio:.2f}  goal {least:.2f}")
    for entry in report.get("stages", []):
        lines += ["", f"{stage_title(entry)}:"]
        lines += [f"  {row['stage']:32} {row['share'] * 100:5.1f} % {row['cycles']:8.1f} cycles"
                  for row in entry["stages"] if row["share"] >= STAGE_SHARE_MIN]
    lines += [f"not measured: {reason}" for reason in report.get("stages_skipped", [])]
    for limit in limits.limits(report):
        lines += ["", f"not reached: {limit['what']}: {plots.scaled(limit['found'])} of "
                      f"{plots.scaled(limit['goal'])}"]
        lines += [f"  {word}: {sentence}" for word, sentence in limit_sentences(limit)]
    return "\n".join(lines) + "\n"


def stage_title(entry):
    packets = entry["items_per_packet"]
    words = f"{entry['cycles_per_item']:.0f} cycles for each {entry['item']}"
    if packets > 1:
        words += f", {entry['cycles_per_item'] * packets:,.0f} for each packet"
    return f"{entry['program']} {entry['case']}: {words}"


def limit_sentences(limit):
    """[(what it is, sentence)]"""
    return [(word, sentence) for word in ("facts", "tried", "needed") for sentence in limit[word]]


def _table(report):
    parts = ["<table><tr><th>case</th><th>median</th><th>min</th><th>max</th><th>unit</th>"
             "<th>runs</th><th>cycles/item</th><th>goal</th><th></th></tr>"]
    for row in rows(report):
        cells = [f"{row['program']} {row['case']}", plots.scaled(row["median"]),
                 plots.scaled(row["min"]), plots.scaled(row["max"]), row["unit"],
                 str(row["runs"]), f"{row['cycles']:.1f}" if row["cycles"] else "",
                 f"{plots.scaled(row['goal'])}: {row['word']}" if row["goal"] else "",
                 "; ".join(row["notes"])]
        marks = [""] * (len(cells) - 1) + [" class=note"]
        parts.append("<tr>" + "".join(f"<td{mark}>{escape(cell)}</td>"
                                      for mark, cell in zip(marks, cells)) + "</tr>")
    return "<div class=wide>" + "".join(parts) + "</table></div>"


def _ratio_table(report):
    found = ratios(report)
    if not found:
        return ""
    cells = "".join(f"<tr><td>{escape(what)}</td><td>{ratio:.2f}</td><td>{least:.2f}</td></tr>"
                    for what, ratio, least in found)
    return f"<table><tr><th>ratio</th><th>found</th><th>goal</th></tr>{cells}</table>"


def _stages(report):
    parts = []
    for entry in report.get("stages", []):
        found = [(row["stage"], row["cycles"], row["cycles"], row["cycles"], None)
                 for row in entry["stages"] if row["share"] >= STAGE_SHARE_MIN]
        parts.append(plots.bars(stage_title(entry), found, "cycles"))
        if entry["hardware"]:
            words = ", ".join(f"{value:.3g} {name}" for name, value in entry["hardware"].items())
            parts.append(f"<p class=note>For each {entry['item']}: {escape(words)}.</p>")
    parts += [f"<p class=note>Not measured: {escape(reason)}.</p>"
              for reason in report.get("stages_skipped", [])]
    if not parts:
        return ""
    return ("<h2>Cycles by stage</h2><p class=note>perf's samples of the worker's thread while the "
            "benchmark ran; see bench/suite/stages.py.</p>" + "".join(parts))


LIMIT_WORDS = {"facts": "", "tried": "Tried: ", "needed": "Needed: "}


def _limits(report):
    found = limits.limits(report)
    if not found:
        return "<h2>Limits</h2><p>Every goal that was measured is reached.</p>"
    parts = []
    for limit in found:
        sentences = "".join(f"<li>{LIMIT_WORDS[word]}{escape(sentence)}</li>"
                            for word, sentence in limit_sentences(limit))
        parts.append(f"<h3>{escape(limit['what'])}: {plots.scaled(limit['found'])} of "
                     f"{plots.scaled(limit['goal'])}</h3><ul>{sentences}</ul>")
    return "<h2>Limits: goals that are not reached</h2>" + "".join(parts)


def _peers(report):
    if not report.get("peers"):
        return ""
    return f"<h2>Other servers</h2><pre>{escape(report['peers']['table'])}</pre>"


def _bars(report):
    by_unit = {}
    for row in rows(report):
        if row["runs"]:
            by_unit.setdefault((row["program"], row["unit"]), []).append(
                (row["case"], row["median"], row["min"], row["max"], row["goal"]))
    return [plots.bars(program, found, unit) for (program, unit), found in by_unit.items()]


def _curves(report):
    found = index(report)
    result = []
    for title, program, cases, x_title in plan.CURVES:
        points, unit = [], ""
        for x, name in cases:
            case = found.get((program, name))
            if case and case["runs"] and case["median"]:
                points.append((x, case["median"], case["min"], case["max"]))
                unit = case["unit"]
        if len(points) > 1:
            result.append(plots.curve(title, points, x_title, unit))
    return result


def html(report):
    """The whole page; the plots stand in it as SVG."""
    machine = report["machine"]
    facts = "".join(f"<tr><td>{escape(key)}</td><td class=text>{escape(str(value))}</td></tr>"
                    for key, value in machine.items())
    return (f"<!doctype html><html lang=en><meta charset=utf-8>"
            f"<meta name=viewport content='width=device-width'><title>Hekaline benchmarks</title>"
            f"<style>{STYLE}</style><h1>Hekaline benchmarks</h1>"
            f"<p class=note>{escape(report['started'])}, {report['seconds']:.0f} s"
            f"{', quick' if report['quick'] else ''}. Medians; the range is that of the runs that "
            f"count. A case is exact when everything that was sent was found again.</p>"
            f"<h2>Figures</h2>{_table(report)}{_ratio_table(report)}{_limits(report)}"
            f"{_stages(report)}{_peers(report)}"
            f"<h2>Curves</h2><div class=curves>{''.join(_curves(report))}</div>"
            f"<h2>By program</h2>{''.join(_bars(report))}"
            f"<h2>Machine</h2><table>{facts}</table></html>\n")
