"""A command line for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.register_assert_rewrite("cli_support")

from cli_support import Shell  # noqa: E402 - only from here on its assertions explain themselves


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)
