# SPDX-License-Identifier: MPL-2.0
"""A report of a run: one HTML page with its plots inside, and lines of text for a terminal."""
from html import escape

from suite import plan, plots
from suite.compare import index

STYLE = ("body{font:15px/1.45 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}"
         "table{border-collapse:collapse;margin:1em 0}td,th{border-bottom:1px solid #ddd;"
         "padding:.25em .7em;text-align:right}td:first-child,th:first-child,.text{text-align:left}"
         ".bad{color:#b03a2e}.note{color:#666}")


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
    return "\n".join(lines) + "\n"


def _table(report):
    parts = ["<table><tr><th>case</th><th>median</th><th>min</th><th>max</th><th>unit</th>"
             "<th>runs</th><th>cycles/item</th><th>goal</th><th></th></tr>"]
    for row in rows(report):
        cells = [f"{row['program']} {row['case']}", plots.scaled(row["median"]),
                 plots.scaled(row["min"]), plots.scaled(row["max"]), row["unit"],
                 str(row["runs"]), f"{row['cycles']:.1f}" if row["cycles"] else "",
                 f"{plots.scaled(row['goal'])}: {row['word']}" if row["goal"] else "",
                 "; ".join(row["notes"])]
        parts.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    return "".join(parts) + "</table>"


def _ratio_table(report):
    found = ratios(report)
    if not found:
        return ""
    cells = "".join(f"<tr><td>{escape(what)}</td><td>{ratio:.2f}</td><td>{least:.2f}</td></tr>"
                    for what, ratio, least in found)
    return f"<table><tr><th>ratio</th><th>found</th><th>goal</th></tr>{cells}</table>"


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
    return (f"<!doctype html><html lang=en><meta charset=utf-8><title>Hekaline benchmarks</title>"
            f"<style>{STYLE}</style><h1>Hekaline benchmarks</h1>"
            f"<p class=note>{escape(report['started'])}, {report['seconds']:.0f} s"
            f"{', quick' if report['quick'] else ''}. Medians; the range is that of the runs that "
            f"count. A case is exact when everything that was sent was found again.</p>"
            f"<h2>Figures</h2>{_table(report)}{_ratio_table(report)}"
            f"<h2>Curves</h2>{''.join(_curves(report))}"
            f"<h2>By program</h2>{''.join(_bars(report))}"
            f"<h2>Machine</h2><table>{facts}</table></html>\n")
