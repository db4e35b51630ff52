"""Which lines of a configuration HAProxy reads, where `.if` decides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.haproxy_config import analyse
from rollout.haproxy_config.configuration import read


def lines(text: str, version: str = "2.8.5-1") -> dict[str, bool]:
    """Each line of a backend that is read, and whether it may as well not be."""
    (section,) = read(f"backend b\n{text}", version)
    return {" ".join(line.words): line.conditional for line in section.lines}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("1", True),
        ("0", False),
        ("", False),
        ("!0", True),
        ("version_atleast(2.8)", True),
        ("version_atleast(2.8.6)", False),
        ("version_before(3.0)", True),
        ("!version_before(3.0)", False),
        ("version_atleast(2.4) && version_before(2.6)", False),
        ("0 || version_atleast(2.6) # since then", True),
        ("defined(PROD)", None),
        ('streq("$ENV",prod)', None),
        ("defined(PROD) && 0", False),
        ("defined(PROD) || 1", True),
        ("!defined(PROD)", None),
        ("!(0 || 1)", None),
    ],
)
def test_a_condition(condition: str, holds: bool | None) -> None:
    """One branch is read where the version decides; both where nobody can tell, and they are marked."""
    read_lines = lines(f".if {condition}\n  yes\n.else\n  no\n.endif\n  always\n")
    expected = {None: {"yes": True, "no": True}, True: {"yes": False}, False: {"no": False}}[holds]
    assert read_lines == {**expected, "always": False}


def test_one_of_several_branches() -> None:
    """The first that holds is read, blocks stand in blocks, and other directives are no settings."""
    text = """
.if version_atleast(3.0)
  three
.elif version_atleast(2.6)
  .if defined(X)
    nested
  .endif
  .notice "hello"
  two
.elif 1
  never
.else
  neither
.endif
"""
    assert lines(text) == {"nested": True, "two": False}


def test_without_a_version_every_branch_may_hold() -> None:
    """What runs is not always known."""
    assert lines(".if version_atleast(2.4)\n  new\n.else\n  old\n.endif\n", "") == {"new": True, "old": True}


def test_a_finding_there_says_so() -> None:
    """A line that may not hold is judged, with that word."""
    text = "defaults\n  mode http\nbackend b\n.if defined(X)\n  retries 0\n.endif\n  server s 1.1.1.1:1 check"
    (found,) = [found for found in analyse(text, "f") if "retries 0" in found.message]
    assert found.message.endswith("(if the `.if` around that line holds)")


@given(st.lists(st.sampled_from([".if", ".elif 1", ".else", ".endif", "! ((", "1 &&", "|| x", "\n"])))
def test_any_text(words: list[str]) -> None:
    """No directive raises."""
    lines(" ".join(words))
