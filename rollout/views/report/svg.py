"""SVG, made of elements, so that no text of a deployment is taken for markup."""

from __future__ import annotations

from xml.etree.ElementTree import Element, tostring

from rollout.views.text import printable

NAMESPACE = "http://www.w3.org/2000/svg"

STYLE = """
text { font-family: "DejaVu Sans", "Segoe UI", Roboto, Arial, sans-serif; font-size: 11px; fill: #1f2328 }
.title { font-size: 12px; font-weight: 600 }
.heading { font-size: 15px; font-weight: 600 }
.faint, .tick { fill: #59636e }
.end { text-anchor: end }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.row { fill: #f6f8fa }
.dashed { stroke-dasharray: 5 4 }
.halt { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 3 3 }
.bad-mark { fill: #cf222e; font-weight: 700 }
.prepare { fill: #8c959f }
.drain { fill: #e69f00 }
.release { fill: #cc79a7 }
.restart { fill: #7b4fc9 }
.verify { fill: #56b4e9 }
.ready { fill: #009e73 }
.bake { fill: #2f6fb5 }
.hook { fill: #b5985a }
.failed { stroke: #cf222e; stroke-width: 2 }
.s0 { stroke: #59636e; fill: #59636e }
.s1 { stroke: #0969da; fill: #0969da }
.s2 { stroke: #8250df; fill: #8250df }
.s3 { stroke: #1a7f64; fill: #1a7f64 }
.s4 { stroke: #bc4c00; fill: #bc4c00 }
.s5 { stroke: #bf3989; fill: #bf3989 }
.alarm { stroke: #cf222e; fill: #cf222e }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round }
"""
"""The style of a picture that stands alone, which is light. A page has its own for the same classes."""


def element(name: str, *children: Element | str, **attributes: str | float) -> Element:
    """An element. A child that is a text comes first; `class_` is the attribute `class`, and `_` is `-`."""
    made = Element(
        name, {key.rstrip("_").replace("_", "-"): _text(value) for key, value in attributes.items()}
    )
    for child in children:
        if isinstance(child, str):
            made.text = child if name == "style" else printable(child)
        else:
            made.append(child)
    return made


def markup(root: Element) -> str:
    """The element as text."""
    return tostring(root, encoding="unicode")


def _text(value: str | float) -> str:
    return printable(value) if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
