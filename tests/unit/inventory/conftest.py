"""Inventories written to a file and loaded, as every test here needs them."""

from __future__ import annotations

from pathlib import Path

import pytest
from inventory_support import SECTIONS, Compose, Loads, Mistakes

from rollout.inventory import Inventory, InventoryError, load


@pytest.fixture
def compose() -> Compose:
    """A right inventory of one line per section, with sections added, changed, or (None) left out."""

    def compose(**changes: str | None) -> str:
        sections = {**SECTIONS, **changes}
        return "".join(f"{key}: {value}\n" for key, value in sections.items() if value is not None)

    return compose


@pytest.fixture
def loads(tmp_path: Path) -> Loads:
    """Loads text or bytes by way of a file."""

    def loads(content: str | bytes, environment: dict[str, str] | None = None) -> Inventory:
        path = tmp_path / "prod.yml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return load(path, environment or {})

    return loads


@pytest.fixture
def mistakes(loads: Loads, tmp_path: Path) -> Mistakes:
    """What a person reads when text or bytes are loaded, a line per mistake, without the file's folder."""

    def mistakes(content: str | bytes, environment: dict[str, str] | None = None) -> list[str]:
        with pytest.raises(InventoryError) as caught:
            loads(content, environment)
        return str(caught.value).replace(f"{tmp_path}/", "").split("\n")

    return mistakes
