"""The log of a worker, where systemd keeps it. Files are in the tests of deployments."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rollout import agents
from rollout.remote import agent

if TYPE_CHECKING:
    from tests.support.systemd_host import SystemdHost

pytest_plugins = ("tests.support.systemd_host",)

LOOK = """
import subprocess
from typing import NamedTuple
from rollout.agents.common import deadline, log, proc
from rollout.agents.common.talk import say
class Options(NamedTuple):
    unit: str
def main(options):
    show = ["systemctl", "show", options.unit, "-p", "MainPID", "--value"]
    its_log = log.of_process(proc.find(int(subprocess.check_output(show))))
    subprocess.run(["systemctl", "kill", "--signal=USR1", options.unit], check=True)
    deadline.after(20).wait_for(lambda: "it broke" in its_log.last_lines())
    say(str(its_log.last_lines()))
"""


def test_the_journal_of_its_unit(
    systemd_host: SystemdHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that systemd started writes to no file: the journal is read from the unit of its group."""
    (tmp_path / "look.py").write_text(LOOK)
    monkeypatch.setattr(agents, "__path__", [*agents.__path__, str(tmp_path)])
    look = importlib.import_module("rollout.agents.look")
    program = agent.on_node(look.main, look.Options("writer.service"))
    sys.modules.pop(look.__name__)
    line = "trap 'echo it broke' USR1; while :; do sleep 0.05; done"
    systemd_host.add_unit("writer.service", f'ExecStart=/bin/sh -c "{line}"\nKillMode=process')
    assert systemd_host.run("systemctl start writer.service").status == 0
    try:
        done = systemd_host.run(program)
        assert "it broke" in done.tail[-1], done.tail
    finally:
        systemd_host.run("systemctl kill --signal=KILL writer.service")
