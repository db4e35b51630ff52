"""The places that keep one contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout.adapters.local import LocalHost
from rollout.adapters.places.folder import FolderPlace
from rollout.ports import Place


@pytest.fixture(params=["folder"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place where nobody has been yet."""
    return FolderPlace(LocalHost("here"), "shop", folder=str(tmp_path / "state"))
