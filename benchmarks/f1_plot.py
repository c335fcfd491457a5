"""Draws the figure on unseen subjects over how many times fewer bytes went up: a panel a task."""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

_PANEL, _HIGH, _MARGIN, _GAP = 300, 200, 46, 30
_DECADES = 2.7
_AIMS = ((100, 0.01), (300, 0.02))
_TITLE = "Figure on unseen subjects ({} seeds) over uplink, x fewer bytes than Flower; rings: aims"
_COLOURS = ("#333333", "#1b6ca8", "#2e8b57", "#c0392b", "#8e44ad", "#b8860b", "#00838f")


@dataclass(frozen=True, slots=True)
class Point:
    """A codec on a task: its uplink, how many times fewer than Flower's that is, its figure."""

    task: str
    codec: str
    factor: float
    figure: float
    up: float


def plot(points: list[Point], seeds: int) -> str:
    """Return an SVG; Flower's point is each task's first."""
    tasks = list(dict.fromkeys(point.task for point in points))
    codecs = list(dict.fromkeys(point.codec.rpartition(" ")[0] for point in points))
    width = 2 * (_PANEL + _MARGIN) + _GAP
    legend = 40 + -(-len(tasks) // 2) * (_HIGH + _MARGIN + _GAP)
    parts = [_text(_MARGIN, 18, _TITLE.format(seeds))]
    for place, task in enumerate(tasks):
        left = _MARGIN + place % 2 * (_PANEL + _MARGIN)
        top = 40 + place // 2 * (_HIGH + _MARGIN + _GAP)
        parts.append(_panel([p for p in points if p.task == task], codecs, left, top))
    for place, codec in enumerate(codecs):
        x, y = _MARGIN + place % 2 * (_PANEL + _MARGIN), legend + 18 * (place // 2)
        parts.append(f'<circle cx="{x}" cy="{y - 4}" r="4" fill="{_COLOURS[place]}"/>')
        parts.append(_text(x + 10, y, codec))
    height = legend + 18 * -(-len(codecs) // 2)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>'
        + "".join(parts)
        + "</svg>\n"
    )


def _panel(points: list[Point], codecs: list[str], left: int, top: int) -> str:
    base = points[0].figure
    worst = min(*(p.figure for p in points), *(base - loss for _, loss in _AIMS))
    low = worst - 0.01
    high = max(p.figure for p in points) + 0.01

    def across(factor: float) -> float:
        return left + max(math.log10(factor), 0.0) / _DECADES * _PANEL

    def up(figure: float) -> float:
        return top + (high - figure) / (high - low) * _HIGH

    parts = [
        f'<rect x="{left}" y="{top}" width="{_PANEL}" height="{_HIGH}" fill="none" stroke="#999"/>',
        _text(left + 4, top + _HIGH - 6, points[0].task, bold=True),
    ]
    for factor in (1, 3, 10, 30, 100, 300):
        parts.append(_text(across(factor) - 6, top + _HIGH + 14, f"{factor}x"))
    for share in range(5):
        figure = low + share / 4 * (high - low)
        parts.append(_text(left - 38, up(figure) + 4, f"{figure:.3f}"))
    for factor, loss in _AIMS:
        parts.append(f'<circle cx="{across(factor):.1f}" cy="{up(base - loss):.1f}" r="6" '
                     'fill="none" stroke="#999"/>')  # fmt: skip
    for point in points:
        codec, _, schedule = point.codec.rpartition(" ")
        x, y = across(point.factor), up(point.figure)
        colour = _COLOURS[codecs.index(codec)]
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
        if schedule != points[0].codec.rpartition(" ")[2]:
            parts.append(_text(x + 6, y + 4, schedule))
    return "".join(parts)


def _text(x: float, y: float, words: str, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{weight}>{escape(words)}</text>'
