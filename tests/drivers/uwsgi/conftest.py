"""What the tests of `restart: uwsgi` share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from uwsgi_support import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.put("1")
    yield made
    made.stop()
