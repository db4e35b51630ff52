"""Templates of the files that are written for a lab."""

from __future__ import annotations

from importlib.resources import files
from string import Template


def text(name: str) -> str:
    """The text of a file in `rollout/lab/templates`, as it is."""
    return (files("rollout.lab") / "templates" / name).read_text()


def fill(name: str, /, **values: object) -> str:
    """The text of a file in `rollout/lab/templates` with every `$value` filled in; `$$` is a dollar sign."""
    return Template(text(name)).substitute(values)
