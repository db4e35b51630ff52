"""The example configurations: HAProxy takes them, and `rollout check` says of each what its head says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from rollout.haproxy_config import analyse

pytestmark = pytest.mark.every_haproxy

EXAMPLES = sorted((Path(__file__).parents[3] / "haproxy").glob("*.cfg"))
SAYS = re.compile(r"^# rollout check: (.+)$", re.MULTILINE)
LATER = " init-state down"
"""What only versions after those of the tests know."""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_haproxy_takes_it(haproxy_binary: Path, example: Path, tmp_path: Path) -> None:
    """It is valid as it is; only a setting of later versions is unknown to these."""
    assert len(EXAMPLES) > 5
    text = example.read_text()
    assert (LATER in text) == (example.stem == "init-state")
    checked = tmp_path / "haproxy.cfg"
    here = text.replace(LATER, "").replace("/etc/haproxy/green.map", str(example.with_name("green.map")))
    checked.write_text(here)
    done = subprocess.run([haproxy_binary, "-c", "-f", checked], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_rollout_check_says_what_its_head_says(example: Path) -> None:
    """All of it, and nothing else."""
    text = example.read_text()
    by_page = "disable-on-404" in text and "level admin" not in text
    said = [f"{found.severity}: {found.message}" for found in analyse(text, "", health_page=by_page)]
    assert SAYS.findall(text) == (said or ["nothing"])
