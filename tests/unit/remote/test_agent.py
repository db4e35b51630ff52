"""Programs that are sent to a node."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rollout import agents
from rollout.remote import agent
from rollout.remote.agent import file_owner, in_application, on_node, on_node_with_input, process_owner

Make = Callable[[str], str]


def run(line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=20)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Make:
    """Makes a module the agent `made`, beside the real ones."""
    monkeypatch.setattr(agents, "__path__", [*agents.__path__, str(tmp_path)])

    def make(text: str) -> str:
        (tmp_path / "made.py").write_text(text)
        importlib.invalidate_caches()
        sys.modules.pop("rollout.agents.made", None)
        agent._modules.cache_clear()
        return "made"

    return make


@pytest.mark.linux
def test_an_agent_is_told_what_it_needs_and_finds_the_modules_it_uses(made: Make) -> None:
    """Values arrive as they were, quotes and line ends and all, and imports work by their own names."""
    made(
        "from rollout.agents.common import proc\n"
        "from rollout.agents.common.talk import say\n"
        "import os\n"
        "def main(told):\n"
        "    say(repr(told['it']))\n"
        "    say(str(proc.find(os.getpid()).pid == os.getpid()))\n"
    )
    value = {"a": 'it\'s "so"\n$HOME `id`', "n": [1, None, 2.5]}
    done = run(on_node("made", it=value))
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (0, [repr(value), "True"], "")


def test_an_agent_that_fails_says_why_in_its_last_line(made: Make) -> None:
    """Its exit status is 1, and no traceback is printed for what a machine can cause."""
    made(
        "from rollout.agents.common.talk import Failed\ndef main(told):\n    raise Failed('no such thing')\n"
    )
    done = run(on_node("made"))
    assert (done.returncode, done.stdout, done.stderr) == (1, "no such thing\n", "")
    made("def main(told):\n    open('/no/such/file')\n")
    assert run(on_node("made")).stdout == "/no/such/file: No such file or directory\n"


@pytest.mark.linux
def test_what_an_agent_is_told_shows_in_no_process_list(made: Make) -> None:
    """The command line of the agent holds neither its text nor what it is told."""
    made(
        "import os\nfrom rollout.agents.common.talk import say\n"
        "def main(told):\n    say(open('/proc/self/cmdline').read().replace(chr(0), ' '))\n"
    )
    assert "hidden" not in run(on_node("made", it="hidden")).stdout


def test_an_agent_may_run_in_the_interpreter_of_the_application(made: Make, tmp_path: Path) -> None:
    """One whose path needs quoting, and which finds what its environment says."""
    made("def main(told):\n    import of_the_application\n")
    (tmp_path / "of_the_application.py").write_text("print('imported')")
    python = tmp_path / "its own python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}" exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    assert run(in_application(str(python), "made")).stdout == "imported\n"


@pytest.mark.linux
def test_an_agent_to_which_something_is_sent(made: Make) -> None:
    """It reads what comes after its program, byte for byte, and that shows in no process list either."""
    made(
        "import sys\nfrom rollout.agents.common.talk import say\n"
        "def main(told):\n"
        "    say(repr((told['it'], sys.stdin.buffer.read())))\n"
        "    say(open('/proc/self/cmdline').read().replace(chr(0), ' '))\n"
    )
    line, program = on_node_with_input("made", it="hidden é")
    done = subprocess.run(["sh", "-c", line], input=program + b"\0\xff\n\r", capture_output=True, timeout=20)
    read, shown = done.stdout.decode().splitlines()
    assert read == repr(("hidden é", b"\0\xff\n\r"))
    assert "hidden" not in shown


@pytest.mark.parametrize("owner", [file_owner("/no/such"), process_owner("/no/such")])
def test_where_no_owner_is_found_the_agent_runs_as_it_is(made: Make, owner: str) -> None:
    """A missing file is the agent's to report, in its own words."""
    made("from rollout.agents.common.talk import say\ndef main(told):\n    say('ran')\n")
    assert run(on_node("made", acting_for=owner)).stdout == "ran\n"


def test_agents_hold_to_the_python_of_old_nodes() -> None:
    """Every module parses as Python 3.8."""
    folder = Path(__file__).parents[3] / "rollout" / "agents"
    modules = list(folder.rglob("*.py"))
    assert len(modules) > 2
    for module in modules:
        ast.parse(module.read_text(), feature_version=(3, 8))
