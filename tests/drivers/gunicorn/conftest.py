"""A gunicorn for each test, in the newest version and in Debian's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gunicorn_support import GunicornShop, running


@pytest.fixture(params=["newest", "Debian's"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GunicornShop]:
    """Not started yet; ended afterwards."""
    with running(tmp_path, request.param) as shop:
        yield shop


@pytest.fixture
def newest(tmp_path: Path) -> Iterator[GunicornShop]:
    """The newest version alone, for what does not depend on it."""
    with running(tmp_path, "newest") as shop:
        yield shop


@pytest.fixture
def debians(tmp_path: Path) -> Iterator[GunicornShop]:
    """Debian's version alone."""
    with running(tmp_path, "Debian's") as shop:
        yield shop


@pytest.fixture
def script(tmp_path: Path) -> Iterator[GunicornShop]:
    """The newest version, started by its script: after an upgrade, `python -m gunicorn` hides `http`."""
    with running(tmp_path, "script") as shop:
        yield shop
