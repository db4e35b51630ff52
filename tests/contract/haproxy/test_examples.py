"""The example configurations: HAProxy takes them, and `rollout check` says of each what its head says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from rollout.haproxy_config import analyse
from rollout.haproxy_config.reload_rules import heeds_init_state

pytestmark = pytest.mark.every_haproxy

EXAMPLES = sorted((Path(__file__).parents[3] / "haproxy").glob("*.cfg"))
SAYS = re.compile(r"^# rollout check: (.+(?:\n#   .+)*)$", re.MULTILINE)
LATER = " init-state down"
"""What older versions do not know."""
HEEDED = "3.2.20"
"""The first version that does what it says."""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_haproxy_takes_it(haproxy_binary: Path, example: Path, tmp_path: Path) -> None:
    """It is valid as it is; only one setting is unknown to older versions."""
    assert len(EXAMPLES) > 5
    text = example.read_text()
    assert (LATER in text) == (example.stem == "init-state")
    checked = tmp_path / "haproxy.cfg"
    printed = subprocess.run([haproxy_binary, "-v"], capture_output=True, text=True).stdout
    version = printed.split("version ")[1]
    known = text if heeds_init_state(version) else text.replace(LATER, "")
    here = known.replace("/etc/haproxy/green.map", str(example.with_name("green.map")))
    checked.write_text(here)
    done = subprocess.run([haproxy_binary, "-c", "-f", checked], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_rollout_check_says_what_its_head_says(example: Path) -> None:
    """All of it, and nothing else."""
    text = example.read_text()
    by_page = "disable-on-404" in text and "level admin" not in text
    found = analyse(text, "", health_page=by_page, version=HEEDED)
    says = [said.replace("\n#  ", "") for said in SAYS.findall(text)]
    assert says == ([f"{each.severity}: {each.message}" for each in found] or ["nothing"])
