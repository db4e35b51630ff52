"""Plots of what was measured, as SVG that shows in light and in dark pages."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from benchmarks.measuring import machine

_WIDTH, _LEFT, _RIGHT, _BAR, _GAP, _TOP = 760, 230, 60, 16, 12, 60
_COLOURS = ("#2f7d5b", "#b5651d", "#5b6abf")
_STYLE = """
text { font: 13px sans-serif; fill: #333 } .title { font-size: 15px; font-weight: 600 } .axis { fill: #777 }
line { stroke: #bbb } @media (prefers-color-scheme: dark) { text { fill: #ddd } .axis { fill: #999 } }
"""


class BarPlot:
    """Groups of horizontal bars, one bar for each way of doing the same."""

    def __init__(self, title: str, unit: str) -> None:
        self._title = title
        self._unit = unit
        self._groups: list[tuple[str, Mapping[str, float]]] = []
        self._machine = machine()

    def add(self, group: str, values: Mapping[str, float]) -> None:
        """One more group, below the others."""
        self._groups.append((group, values))

    def write(self, path: Path) -> None:
        """Write the plot, with the state in which the machine was when it began."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(self._svg()) + "\n")

    def _svg(self) -> list[str]:
        ways = list(dict.fromkeys(way for _, values in self._groups for way in values))
        most = max(value for _, values in self._groups for value in values.values())
        scale = (_WIDTH - _LEFT - _RIGHT) / most
        body: list[str] = []
        y = _TOP
        for group, values in self._groups:
            middle = y + len(values) * _BAR / 2 + 4
            body.append(f'<text x="{_LEFT - 10}" y="{middle:.0f}" text-anchor="end">{escape(group)}</text>')
            for way, value in values.items():
                colour = _COLOURS[ways.index(way) % len(_COLOURS)]
                width = value * scale
                body.append(
                    f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR - 3}" fill="{colour}"/>'
                    f'<text x="{_LEFT + width + 5:.1f}" y="{y + 11}">{value:.2f}</text>'
                )
                y += _BAR
            y += _GAP
        one = _LEFT + scale
        body.append(f'<line x1="{one:.1f}" x2="{one:.1f}" y1="{_TOP - 6}" y2="{y}"/>')
        keys = "".join(
            f'<tspan fill="{_COLOURS[number % len(_COLOURS)]}">■</tspan> {escape(way)}  '
            for number, way in enumerate(ways)
        )
        foot = f"{self._unit}; the line is 1. {self._machine}"
        return [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + 34}" role="img">',
            f"<title>{escape(self._title)}</title><style>{_STYLE}</style>",
            f'<text class="title" x="10" y="22">{escape(self._title)}</text>',
            f'<text x="10" y="44">{keys}</text>',
            *body,
            f'<text class="axis" x="10" y="{y + 22}">{escape(foot)}</text>',
            "</svg>",
        ]
