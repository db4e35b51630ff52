"""The places that keep one contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout.adapters.local import LocalHost
from rollout.adapters.places.folder import FolderPlace
from rollout.ports import Place
from tests.support.memory_place import MemoryPlace, Stored


@pytest.fixture(params=["folder", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place where nobody has been yet."""
    if request.param == "memory":
        return MemoryPlace(Stored())
    return FolderPlace(LocalHost("here"), "shop", folder=str(tmp_path / "state"))
