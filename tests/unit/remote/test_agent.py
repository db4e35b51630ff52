"""Programs that are sent to a node."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from rollout import agents
from rollout.remote import agent
from rollout.remote.agent import (
    file_owner,
    in_application,
    needed_modules,
    on_node,
    on_node_with_input,
    process_owner,
)

Make = Callable[[str], ModuleType]

AGENTS = Path(agents.__file__).parent
MODULES = sorted(
    ".".join(("rollout.agents", *path.relative_to(AGENTS).with_suffix("").parts))
    for path in AGENTS.rglob("*.py")
    if path.name != "__init__.py"
)
OPTIONS = """
from typing import Any, NamedTuple
class Options(NamedTuple):
    it: Any = None
"""


def run(line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=20)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Make:
    """Makes an agent `made` with one option, `it`, beside the real ones."""
    monkeypatch.setattr(agents, "__path__", [*agents.__path__, str(tmp_path)])

    def make(text: str) -> ModuleType:
        (tmp_path / "made.py").write_text(OPTIONS + text)
        importlib.invalidate_caches()
        sys.modules.pop("rollout.agents.made", None)
        agent.needed_modules.cache_clear()
        return importlib.import_module("rollout.agents.made")

    return make


@pytest.mark.linux
def test_an_agent_gets_its_options_and_finds_the_modules_it_uses(made: Make) -> None:
    """Values arrive as they were, quotes and line ends and all, and imports work by their own names."""
    module = made(
        "from rollout.agents.common import proc\n"
        "from rollout.agents.common.talk import say\n"
        "import os\n"
        "def main(options):\n"
        "    say(repr(options))\n"
        "    say(str(proc.find(os.getpid()).pid == os.getpid()))\n"
    )
    options = module.Options(it={"a": 'it\'s "so"\n$HOME `id`', "n": [1, None, 2.5]})
    done = run(on_node(module.main, options))
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (0, [repr(options), "True"], "")


@pytest.mark.parametrize("name", MODULES)
def test_the_modules_that_are_sent_are_those_that_python_imports(name: str) -> None:
    """A Python that imports the module loads exactly these modules of the agents, each once."""
    look = (
        f"import importlib, json, sys; importlib.import_module({name!r});"
        "print(json.dumps([name for name, module in sys.modules.items()"
        " if name.startswith('rollout.agents') and not hasattr(module, '__path__')]))"
    )
    imported = json.loads(subprocess.check_output([sys.executable, "-c", look], timeout=20))
    sent = needed_modules(name)
    assert sorted(sent) == sorted(imported)
    assert sent[-1] == name


def test_an_import_that_is_added_is_sent(made: Make) -> None:
    """There is no list to keep: both kinds of import are read from the module, wherever they stand in it."""
    module = made("def main(options):\n    pass\n")
    assert needed_modules(module.__name__) == ("rollout.agents.made",)
    module = made(
        "import rollout.agents.common.talk\n"
        "def main(options):\n"
        "    from rollout.agents.common import deadline\n"
        "    rollout.agents.common.talk.say(str(deadline.after(9).passed))\n"
    )
    assert needed_modules(module.__name__) == (
        "rollout.agents.common.talk",
        "rollout.agents.common.deadline",
        "rollout.agents.made",
    )
    assert run(on_node(module.main, module.Options())).stdout == "False\n"


def test_an_agent_that_fails_says_why_in_its_last_line(made: Make) -> None:
    """Its exit status is 1, and no traceback is printed for what a machine can cause."""
    module = made(
        "from rollout.agents.common.talk import Failed\n"
        "def main(options):\n    raise Failed('no such thing')\n"
    )
    done = run(on_node(module.main, module.Options()))
    assert (done.returncode, done.stdout, done.stderr) == (1, "no such thing\n", "")
    module = made("def main(options):\n    open('/no/such/file')\n")
    assert run(on_node(module.main, module.Options())).stdout == "/no/such/file: No such file or directory\n"


@pytest.mark.linux
def test_the_options_of_an_agent_show_in_no_process_list(made: Make) -> None:
    """The command line of the agent holds neither its text nor its options."""
    module = made(
        "from rollout.agents.common.talk import say\n"
        "def main(options):\n    say(open('/proc/self/cmdline').read().replace(chr(0), ' '))\n"
    )
    done = run(on_node(module.main, module.Options(it="hidden")))
    assert done.stdout
    assert "hidden" not in done.stdout


def test_an_agent_may_run_in_the_interpreter_of_the_application(made: Make, tmp_path: Path) -> None:
    """One whose path needs quoting, and which finds what its environment says."""
    module = made("def main(options):\n    import of_the_application\n")
    (tmp_path / "of_the_application.py").write_text("print('imported')")
    python = tmp_path / "its own python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}" exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    assert run(in_application(str(python), module.main, module.Options())).stdout == "imported\n"


@pytest.mark.linux
def test_an_agent_to_which_something_is_sent(made: Make) -> None:
    """It reads what comes after its program, byte for byte, and that shows in no process list either."""
    module = made(
        "import sys\nfrom rollout.agents.common.talk import say\n"
        "def main(options):\n"
        "    say(repr((options.it, sys.stdin.buffer.read())))\n"
        "    say(open('/proc/self/cmdline').read().replace(chr(0), ' '))\n"
    )
    line, program = on_node_with_input(module.main, module.Options(it="hidden é"))
    done = subprocess.run(["sh", "-c", line], input=program + b"\0\xff\n\r", capture_output=True, timeout=20)
    read, shown = done.stdout.decode().splitlines()
    assert read == repr(("hidden é", b"\0\xff\n\r"))
    assert "hidden" not in shown


@pytest.mark.parametrize("owner", [file_owner("/no/such"), process_owner("/no/such")])
def test_where_no_owner_is_found_the_agent_runs_as_it_is(made: Make, owner: str) -> None:
    """A missing file is the agent's to report, in its own words."""
    module = made("from rollout.agents.common.talk import say\ndef main(options):\n    say('ran')\n")
    assert run(on_node(module.main, module.Options(), acting_for=owner)).stdout == "ran\n"


def test_agents_hold_to_the_python_of_old_nodes() -> None:
    """Every module parses as Python 3.8."""
    modules = list(AGENTS.rglob("*.py"))
    assert len(modules) > 2
    for module in modules:
        ast.parse(module.read_text(), feature_version=(3, 8))
