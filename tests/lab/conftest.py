from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from lab_support import SOON, StartLab

from rollout.lab.lab import Lab


@pytest.fixture
def start_lab(tmp_path: Path) -> Iterator[StartLab]:
    """Starts a lab, of two nodes whose application starts at once unless told otherwise, and ends it. No
    deployment's end waits for a bake unless a test asks for one."""
    with ExitStack() as labs:

        def start(**settings: Any) -> Lab:
            lab = Lab.up(tmp_path / "lab", **({"nodes": 2, "start": 0.0} | SOON | settings))
            labs.callback(lab.down)
            inventory = lab.inventory.read_text()
            lab.inventory.write_text(inventory.replace("strategy:\n", "strategy:\n  bake: 0\n"))
            return lab

        yield start
