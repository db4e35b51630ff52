"""`rollout check` notes a shell line in which sudo empties what a script in quotes is to expand."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout.engine.checks.on_inventory import emptied, sudo_findings
from rollout.inventory import load

INVENTORY = """
service: shop
load_balancers: {}
nodes: {web1: {host: 10.0.0.11}}
prepare: {command: "sudo apt-get install shop=$ROLLOUT_RELEASE"}
release: {command: "sudo sh -c 'install-shop $ROLLOUT_RELEASE'"}
restart: none
hooks:
  before_node: {command: "sudo -n bash -ec 'echo ${TOKEN}'", on: node}
"""


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("sudo sh -c 'echo $ROLLOUT_RELEASE'", "ROLLOUT_RELEASE"),
        ("cd /srv && sudo -u shop sh -c 'echo \"${ROLLOUT_NODE}\"'", "ROLLOUT_NODE"),
        ("sudo true; sudo sh -c 'echo $TOKEN'", "TOKEN"),
        ("sudo sh -c 'echo $HOME'", None),
        ('sudo sh -c "echo $ROLLOUT_RELEASE"', None),
        ("sudo apt-get install shop=$ROLLOUT_RELEASE", None),
        ("sudo true; sh -c 'echo $ROLLOUT_RELEASE'", None),
        ("sudo -E sh -c 'echo $ROLLOUT_RELEASE'", None),
        ("sudo -nE sh -c 'echo $ROLLOUT_RELEASE'", None),
        ("sudo --preserve-env=ROLLOUT_RELEASE sh -c 'echo $ROLLOUT_RELEASE'", None),
        ("sudo ROLLOUT_RELEASE=$ROLLOUT_RELEASE sh -c 'echo $ROLLOUT_RELEASE'", None),
        ("sudo env ROLLOUT_RELEASE=\"$ROLLOUT_RELEASE\" sh -c 'echo $ROLLOUT_RELEASE'", None),
    ],
)
def test_lines(line: str, name: str | None) -> None:
    """What the login's own shell expands, and what is handed over, is not noted."""
    assert emptied(line, {"TOKEN"}) == name


def test_an_inventory(tmp_path: Path) -> None:
    """The note names the key, and how the variable is kept."""
    path = tmp_path / "rollout.yml"
    path.write_text(INVENTORY)
    findings = sudo_findings(load(path, {"TOKEN": "hunter2"}))
    assert [(finding.subject, finding.text.partition(":")[0]) for finding in findings] == [
        ("inventory", "release.command"),
        ("inventory", "hooks.before_node"),
    ]
    assert 'Defaults env_keep += "ROLLOUT_RELEASE"' in str(findings[0].hint)
    assert "hunter2" not in str(findings)
