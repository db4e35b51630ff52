"""A picture as PNG, by resvg, which is installed with the extra `png`."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from rollout.errors import UsageError
from rollout.views.report.svg import NAMESPACE, element, markup

_ZOOM = 2
"""Pixels of the image for one of the picture, so that it is sharp on most screens."""


def png(picture: Element) -> bytes:
    """The image. Raises UsageError if resvg is not installed, or if this machine has no font."""
    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        raise UsageError(
            "--format png needs resvg, which is not installed",
            hint="pip install 'rollout[png]', or use --format svg",
        ) from error

    def drawn(root: Element) -> bytes:
        return bytes(svg_to_bytes(svg_string=markup(root), zoom=_ZOOM, sans_serif_family="DejaVu Sans"))

    def sample(*children: Element) -> Element:
        return element("svg", *children, xmlns=NAMESPACE, width=20.0, height=20.0)

    if drawn(sample(element("text", "M", y=15.0, font_family="sans-serif"))) == drawn(sample()):
        raise UsageError(
            "--format png needs a font, and this machine has none",
            hint="apt-get install fonts-dejavu-core, or use --format svg",
        )
    return drawn(picture)
