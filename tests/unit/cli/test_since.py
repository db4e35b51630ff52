"""The moment that `--since` names."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

import pytest

from rollout.cli.command_line.since import moment_since

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("12h", NOW - 12 * 3600),
        ("90s", NOW - 90),
        ("7d", NOW - 7 * 86_400),
        ("2w", NOW - 14 * 86_400),
        ("2026-11-30T02:00Z", NOW - 10 * 3600),
        ("2026-11-29T14:00+02:00", NOW - 24 * 3600),
        ("2026-11-30", datetime(2026, 11, 30).timestamp()),
    ],
)
def test_moments(given: str, expected: float) -> None:
    """A date, a moment, or a time ago; here, unless a zone is named."""
    assert moment_since(given, lambda: NOW) == expected


@pytest.mark.parametrize("given", ["", "yesterday", "7", "-1d", "2026-13-01", "0001-01-01"])
def test_anything_else_is_refused_with_examples(given: str) -> None:
    """The message shows how it is written."""
    with pytest.raises(argparse.ArgumentTypeError, match=r"such as 2026-11-30 or .* 12h or 7d"):
        moment_since(given, lambda: NOW)
