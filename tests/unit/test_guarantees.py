"""The page of guarantees names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
PAGE = TESTS.parent / "docs" / "guarantees.md"


def test_every_test_that_a_promise_names_is_there() -> None:
    """A test that was renamed or removed cannot go on being named as the proof of a promise."""
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE.read_text())
    assert len(named) > 40
    missing = [f"{path}::{name}" for path, name in named if name not in functions(TESTS / path)]
    assert missing == []


def test_every_promise_names_a_test() -> None:
    """A row without a test is a promise without a proof."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and " | " in line]
    promises = [row for row in rows if not row.startswith("| promise")]
    assert [row for row in promises if "::" not in row] == []


def functions(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
