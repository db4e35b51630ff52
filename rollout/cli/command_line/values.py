"""The values of options, read from words. Each raises ArgumentTypeError for a word that is none."""

from __future__ import annotations

import argparse


def names(text: str) -> list[str]:
    """`web1,web2`. An empty list, as of a variable that is not set, must not mean all nodes."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise argparse.ArgumentTypeError("expected at least one node")
    return found


def whole_number(text: str) -> int:
    """A number from 1 up, such as `20`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("expected a number from 1 up")
    return int(text)


def duration(text: str) -> float:
    """`500ms`, `30s`, `10m`, in seconds."""
    from rollout.inventory.quantities import parse_duration  # it brings all that inventories need

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
