"""`restart: uwsgi`, against a real uWSGI that was started as people do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from uwsgi_support import SETTINGS, Server

from rollout.agents.common.talk import Untouched

AFTER = "env = A=b"
"""In place of the plugin, which comes after the application that needs it."""
WAYS: dict[str, dict[str, Any]] = {
    "a vassal of an Emperor": {
        "words": ("--emperor", "vassals"),
        "environment": {"PWD": "{above}"},
        "settings": ("chdir = %d/..", "pythonpath = %d"),
    },
    "by a relative path": {"words": ("--ini", "vassals/shop.ini"), "environment": {"PWD": "/"}},
    "the plugin after the module": {"plugin": AFTER, "settings": ("plugins = python3",)},
    "the plugin by itself": {"plugin": "autoload = true"},
    "a FIFO by a relative path": {"settings": ("master-fifo = shop.fifo",)},
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "vassals").mkdir()
    made = Server(tmp_path / "vassals")
    made.put("1")
    yield made
    made.stop()


@pytest.mark.parametrize("way", WAYS)
def test_it_is_tried_and_restarted(server: Server, way: str) -> None:
    """A release that does not load is refused, and a good one comes to all workers."""
    started = dict(WAYS[way])
    more = started.pop("settings", ())
    above = server.folder.parent
    environment = {name: value.format(above=above) for name, value in started.pop("environment", {}).items()}
    settings = [line for line in SETTINGS["chain"] if "fifo" not in line or "fifo" not in str(more)]
    server.start(*settings, *more, environment=environment, cwd=above, **started)
    assert server.check("chain") == (0, "")
    old = server.workers()
    server.put("2", "import no_such_module")
    status, told = server.restart("chain")
    assert (status, "No module named 'no_such_module'" in told) == (Untouched.exit_status, True), told
    assert server.workers() == old
    server.put("3")
    status, told = server.restart("chain")
    assert status == 0, told
    assert not server.workers() & old
