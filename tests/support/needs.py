"""What a test needs beyond Python: the markers that say so, and what happens where a machine lacks it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import pytest

_TESTS = Path(__file__).parents[1]
_OF_FOLDERS = {
    "browser": ("browser",),
    "contract/host": ("ssh",),
    "drivers": ("drivers",),
    "drivers/docker": ("docker",),
    "lab": ("lab", "haproxy", "ssh"),
    "simulation": ("simulation",),
    "testbed": ("testbed", "docker"),
}
"""The markers of every test below a folder of tests/."""

_OF_FIXTURES = {
    "etcd": "etcd",
    "etcd_program": "etcd",
    "haproxy_binary": "haproxy",
    "sshd": "ssh",
    "start_sshd": "ssh",
    "systemd_host": "systemd",
    "newer_systemd_host": "systemd",
}
"""The marker of every test that uses a fixture, also by way of another fixture."""


def mark(item: pytest.Item) -> None:
    """Add to a test the markers that its folder and its fixtures imply."""
    folder = item.path.parent.relative_to(_TESTS)
    for place in (folder, *folder.parents):
        for marker in _OF_FOLDERS.get(place.as_posix(), ()):
            item.add_marker(marker)
    for fixture in getattr(item, "fixturenames", ()):
        if marker := _OF_FIXTURES.get(fixture):
            item.add_marker(marker)
    if sys.platform != "linux" and item.get_closest_marker("linux"):
        item.add_marker(pytest.mark.skip(reason="needs Linux"))


def missing(reason: str) -> NoReturn:
    """Skip a test that this machine cannot run. In CI (`CI` is set) it fails: CI must run everything."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
