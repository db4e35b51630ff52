"""How many lines of `rollout` run during some work, by function: a cost that no busy machine changes."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import rollout

_PACKAGE = str(Path(rollout.__file__).parent)


@contextmanager
def lines_run(compared: type) -> Iterator[Counter[str]]:
    """Counts the lines that run inside, by `file function`, also in methods that dataclasses generate.

    Objects of the class `compared` have their comparisons counted: those in a tuple run no lines.
    """
    lines: Counter[CodeType] = Counter()
    by_function: Counter[str] = Counter()

    def in_function(frame: FrameType, event: str, _: Any) -> Any:
        lines[frame.f_code] += 1
        return in_function

    def entered(frame: FrameType, event: str, _: Any) -> Any:
        file = frame.f_code.co_filename
        return in_function(frame, event, _) if file.startswith(_PACKAGE) or file == "<string>" else None

    def equal(one: object, other: object) -> bool:
        by_function[f"{compared.__name__} =="] += 1
        return is_equal(one, other)

    is_equal, before = compared.__eq__, sys.gettrace()
    compared.__eq__ = equal  # type: ignore[method-assign,assignment]
    sys.settrace(entered)
    try:
        yield by_function
    finally:
        sys.settrace(before)
        del compared.__eq__
        for code, count in lines.items():
            by_function[f"{code.co_filename.removeprefix(_PACKAGE)} {code.co_qualname}"] += count
