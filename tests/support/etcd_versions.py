"""Where each etcd version comes from that tests run against: Debian's packages."""

from __future__ import annotations

from pathlib import Path

from tests.support.debian import unpacked

SUITES = {"3.4": "bookworm", "3.5": "trixie"}
"""The Debian release that has each version."""


def program(version: str) -> Path:
    """etcd in a version of `SUITES`. Raises Unavailable."""
    return unpacked("etcd-server", SUITES[version]) / "usr/bin/etcd"
