"""The pages of guarantees and of HAProxy's versions name tests that exist, and the layers they belong to."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

TESTS = Path(__file__).parent.parent
PAGE = TESTS.parent / "docs" / "guarantees.md"
VERSIONS = TESTS.parent / "docs" / "haproxy-versions.md"
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")


def rows() -> list[list[str]]:
    """The cells of each promise: what is promised, how it is kept, by which layers and tests it is proved."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if len(row) == 4 and row[0] != "promise"]


def test_every_test_that_a_promise_names_is_there() -> None:
    """A test that was renamed or removed cannot go on being named as the proof of a promise."""
    named = TEST.findall(PAGE.read_text() + VERSIONS.read_text())
    assert len(named) > 40
    missing = [f"{path}::{name}" for path, name in named if name not in functions(TESTS / path)]
    assert missing == []


def test_every_promise_names_a_test() -> None:
    """A row without a test is a promise without a proof."""
    assert len(rows()) > 25
    assert [row for row in rows() if not TEST.search(row[3])] == []


def test_every_fact_about_versions_names_a_test() -> None:
    """What HAProxy does is not written down unless a test fails when it does otherwise."""
    lines = VERSIONS.read_text().splitlines()
    facts = [line for line in lines if line.startswith("| ") and not line.startswith("| fact ")]
    assert len(facts) > 10
    assert [fact for fact in facts if not TEST.search(fact)] == []


def test_every_promise_names_the_layers_of_its_tests() -> None:
    """A test that moved to another layer is not missed in the table."""
    for promise, _, layers, tests in rows():
        of_tests = {path.partition("/")[0] for path, _ in TEST.findall(tests)}
        assert of_tests == set(layers.split(", ")), promise


def test_no_blank_line_breaks_a_table() -> None:
    """After a blank line a row is no longer a row of its table."""
    lines = PAGE.read_text().splitlines()
    heads = [after for before, after in pairwise(["", *lines]) if not before and after.startswith("|")]
    assert [head for head in heads if not head.startswith(("| layer", "| promise"))] == []


def functions(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
