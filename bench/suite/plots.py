# SPDX-License-Identifier: MPL-2.0
"""Plots as SVG text: bars with a range, and curves with a range. No dependencies, no scripts."""
from html import escape
from math import floor, log10

WIDTH = 640
LEFT, RIGHT, TOP, ROW = 200, 150, 26, 22
INSET = 26  # of a curve's first and last point from the ends of the axis
# Colours of the page (report.STYLE has them for light and for dark), and what they are elsewhere.
INK, FRAME, BAR, GOAL = ("var(--ink,#222)", "var(--frame,#bbb)", "var(--bar,#3b6ea8)",
                         "var(--goal,#b03a2e)")


def scaled(value):
    """12345678 as "12.3 M"."""
    if value is None:
        return "-"
    for factor, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{suffix}"
    return f"{value:.3g}"


def round_up(value):
    """The next of 1, 2, 2.5, 3, 4, 5, 6, 8 times a power of ten, above `value` by at least 12 %."""
    value *= 1.12
    unit = 10 ** floor(log10(value))
    return next(unit * step for step in (1, 2, 2.5, 3, 4, 5, 6, 8, 10)
                if unit * step >= value)


def _text(x, y, text, anchor="start", size=12, fill=INK):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{fill}">{escape(text)}</text>')


def _line(x1, y1, x2, y2, colour=INK, width=1.0, dash=""):
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}" stroke-width="{width}"{dashes}/>')


def _document(height, title, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" font-family="sans-serif" role="img" '
            f'aria-label="{escape(title)}">\n'
            + "\n".join(parts) + "\n</svg>\n")


def bars(title, rows, unit):
    """rows: [(label, median, min, max, goal or None)], all of one unit, values >= 0."""
    top_value = max([max(row[3], row[4] or 0) for row in rows] + [1e-9])
    span = WIDTH - LEFT - RIGHT
    height = TOP + ROW * len(rows) + 12
    parts = [_text(8, 16, f"{title} ({unit})", size=13)]
    for i, (label, median, low, high, goal) in enumerate(rows):
        y = TOP + ROW * i
        at = [LEFT + span * value / top_value for value in (median, low, high)]
        parts.append(_text(LEFT - 8, y + 15, label, "end"))
        parts.append(f'<rect x="{LEFT}" y="{y + 4}" width="{at[0] - LEFT:.1f}" '
                     f'height="{ROW - 8}" fill="{BAR}"/>')
        parts.append(_line(at[1], y + ROW / 2, at[2], y + ROW / 2, INK, 1.5))
        if goal:
            x = LEFT + span * goal / top_value
            parts.append(_line(x, y + 1, x, y + ROW - 1, GOAL, 2))
        parts.append(_text(WIDTH - RIGHT + 8, y + 15,
                           f"{scaled(median)}" + (f" (goal {scaled(goal)})" if goal else "")))
    return _document(height, title, parts)


def curve(title, points, x_title, unit):
    """points: [(x > 0, median, min, max)]; x is drawn logarithmically, y from 0."""
    height, bottom, top = 240, 40, 32
    span_x, span_y = WIDTH - LEFT / 2 - 40, height - bottom - top
    low_x, high_x = log10(min(p[0] for p in points)), log10(max(p[0] for p in points))
    top_value = round_up(max(p[3] for p in points) or 1.0)

    def place(x, value):
        share = (log10(x) - low_x) / (high_x - low_x) if high_x > low_x else 0.5
        return (LEFT / 2 + INSET + (span_x - 2 * INSET) * share,
                top + span_y * (1 - value / top_value))

    x0, y0 = LEFT / 2, height - bottom
    parts = [_text(8, 16, f"{title} ({unit})", size=13), _line(x0, y0, x0 + span_x, y0, FRAME),
             _text(x0 + span_x / 2, height - 6, x_title, "middle"),
             _line(x0, top, x0 + span_x, top, FRAME, 1, "2 4"),
             _text(x0 - 6, top + 4, scaled(top_value), "end", 11),
             _text(x0 - 6, y0 + 4, "0", "end", 11)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(p[0], p[1]) for p in points))
    parts.append(f'<polyline points="{path}" fill="none" stroke="{BAR}" stroke-width="2"/>')
    for x, median, low, high in points:
        centre = place(x, median)
        parts.append(_line(centre[0], place(x, low)[1], centre[0], place(x, high)[1], INK, 1.5))
        parts.append(f'<circle cx="{centre[0]:.1f}" cy="{centre[1]:.1f}" r="3" fill="{BAR}"/>')
        parts.append(_text(centre[0], place(x, high)[1] - 6, scaled(median), "middle", 11))
        parts.append(_text(centre[0], y0 + 14, f"{x:,.0f}", "middle", 11))
    return _document(height, title, parts)
