"""The HAProxy versions that tests run against: the machine's own (2.6 on Debian 12), and 3.0."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support import haproxy3


def find(version: str) -> Path:
    """The program of a version: `system` or `3.0`. Raises haproxy3.Unavailable."""
    if version == "3.0":
        return haproxy3.binary()
    found = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise haproxy3.Unavailable("needs the package haproxy")
    return Path(found)


@pytest.fixture(scope="session", params=["system", "3.0"])
def haproxy_binary(request: pytest.FixtureRequest) -> Path:
    """Runs the test once for each version. One that cannot be had skips the test; CI must have both."""
    try:
        return find(request.param)
    except haproxy3.Unavailable as reason:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"HAProxy {request.param}: {reason}")
