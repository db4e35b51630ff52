"""Whom an agent acts for: with real users, and a real sudo."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from rollout import agents
from rollout.agents.common import acting
from rollout.remote import agent
from tests.support.users import need_root, who_may_sudo_to

WHO = """
import os, pwd, sys
from typing import NamedTuple
from rollout.agents.common.talk import say
class Options(NamedTuple):
    path: str
def main(options):
    me = pwd.getpwuid(os.geteuid())
    at_home = os.environ["HOME"] == me.pw_dir or me.pw_name == "www-data"
    say("%s %s %s" % (me.pw_name, os.path.exists(options.path), at_home))
def main_with_input(options):
    main(options)
    say(sys.stdin.read())
"""
Line = Callable[[acting.Options], str]


@pytest.fixture
def who(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """An agent that says who it is, and whether it finds the path."""
    (tmp_path / "who.py").write_text(WHO)
    monkeypatch.setattr(agents, "__path__", [*agents.__path__, str(tmp_path)])
    sys.modules.pop("rollout.agents.who", None)
    agent.needed_modules.cache_clear()
    return importlib.import_module("rollout.agents.who")


@pytest.fixture
def line(who: ModuleType) -> Line:
    """Makes the line of that agent."""
    return lambda whom: agent.on_node(who.main, who.Options(whom.path), acting_for=whom)


@pytest.fixture
def folder() -> Iterator[Path]:
    """The run folder of an application, in which everybody may look."""
    need_root()
    made = Path(tempfile.mkdtemp(prefix="acting-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def pidfile(folder: Path) -> Iterator[Path]:
    """That of a process of nobody."""
    process = subprocess.Popen(["setpriv", "--reuid=nobody", "sleep", "60"])
    (folder / "pid").write_text(str(process.pid))
    yield folder / "pid"
    process.kill()
    process.wait()


def said(line: str, sudo_to: str, given: bytes = b"") -> list[str]:
    words = [*who_may_sudo_to(sudo_to), "sh", "-c", line]
    done = subprocess.run(words, input=given.decode(), capture_output=True, text=True)
    return (done.stdout + done.stderr).splitlines()


@pytest.mark.parametrize(
    ("sudo_to", "owner", "mode", "acts"),
    [
        ("ALL", "nobody", 0o755, "nobody True True"),
        ("nobody", "nobody", 0o700, "nobody True True"),
        ("root", "nobody", 0o755, "nobody True True"),
        ("root", "nobody", 0o700, "nobody True True"),
        ("ALL", "root", 0o700, "root True True"),
        ("daemon", "nobody", 0o755, "www-data True True"),
        ("daemon", "nobody", 0o700, "www-data False True"),
    ],
)
def test_the_agent_of_a_process(
    line: Line, pidfile: Path, sudo_to: str, owner: str, mode: int, acts: str
) -> None:
    """It is the owner, by sudo to the owner or to root; root itself where the owner cannot see the
    pidfile."""
    shutil.chown(pidfile.parent, owner)
    pidfile.parent.chmod(mode)
    assert said(line(agent.process_owner(str(pidfile))), sudo_to) == [acts]


def test_the_agent_of_a_file_that_is_not_there_yet(line: Line, folder: Path) -> None:
    """In a folder that hides it, it is the folder's owner, to whom it will belong; else the login user."""
    path = agent.file_owner(str(folder / "current"))
    assert said(line(path), "ALL") == ["www-data False True"]
    shutil.chown(folder, "nobody")
    folder.chmod(0o700)
    assert said(line(path), "root") == ["nobody False True"]


def test_what_is_sent_to_an_agent_arrives(who: ModuleType, folder: Path) -> None:
    """Also where root becomes its owner first."""
    shutil.chown(folder, "nobody")
    whom = agent.file_owner(str(folder))
    line, program = agent.on_node_with_input(who.main_with_input, who.Options(whom.path), acting_for=whom)
    assert said(line, "root", program + b"a release") == ["nobody True True", "a release"]


def test_a_pidfile_that_only_its_owner_may_read(line: Line, pidfile: Path) -> None:
    """It hides the process as a folder would."""
    shutil.chown(pidfile, "nobody")
    pidfile.chmod(0o600)
    assert said(line(agent.process_owner(str(pidfile))), "nobody") == ["nobody True True"]


def test_a_uwsgi_that_root_has_started(line: Line, folder: Path) -> None:
    """Only root sees what it has open, whoever owns its FIFO."""
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    shutil.chown(fifo, "nobody")
    whom = agent.fifo_owner(str(fifo))
    shutil.copy("/bin/sleep", folder / "uwsgi")
    with subprocess.Popen([folder / "uwsgi", "60"]) as process:
        try:
            assert said(line(whom), "ALL") == ["root True True"]
            assert said(line(whom), "nobody") == ["nobody True True"]
        finally:
            process.kill()
