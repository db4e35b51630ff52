"""A history from before: of an older rollout on this machine, or of another place."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cli_support import Ran, Shell, refused

SECTIONS: dict[str, Any] = {
    "release": {"command": "echo $ROLLOUT_RELEASE >> releases"},
    "strategy": {"bake": 0},
}


@pytest.fixture
def shell(shell: Shell) -> Shell:
    """A machine on which two releases were deployed, when its journal was all that there was."""
    shell.write(**SECTIONS)
    assert deploy(shell, "1").code == deploy(shell, "2").code == 0
    shell.write(**SECTIONS, state=str(shell.folder / "place"))
    return shell


def deploy(shell: Shell, release: str) -> Ran:
    return shell.run("deploy", "--yes", "--release", release)


def test_what_commands_printed_before_is_shown(shell: Shell) -> None:
    """Also once the history was brought, on the machine that has it; nothing for another deployment that had
    the same number."""
    printing = SECTIONS | {"release": {"command": 'echo "got $ROLLOUT_RELEASE"'}}
    shell.write(**printing)
    assert deploy(shell, "3").code == 0
    shell.write(**printing, state=str(shell.folder / "place"))
    assert deploy(shell, "4").code == 0
    for number in ("3", "4"):
        assert f"| got {number}\n" in shell.run("history", "--printed", number).out
    other = other_machine(shell)
    other.write(**printing, state=str(shell.folder / "elsewhere"))
    for release in ("5", "6", "7"):
        assert deploy(other, release).code == 0
    other.write(**printing, state=str(shell.folder / "place"))
    assert other.run("history", "--printed", "3").out == ""


def other_machine(shell: Shell) -> Shell:
    other = Shell(shell.folder)
    other.environment |= {"XDG_STATE_HOME": str(shell.folder / "other")}
    return other


def history(shell: Shell) -> list[str]:
    """The releases of all deployments, oldest first."""
    ran = shell.run("history", "--output", "json")
    assert ran.code == 0, ran.error
    return [deployment["release"] for deployment in json.loads(ran.out)]


def test_who_looks_sees_it_before_it_is_brought(shell: Shell) -> None:
    """`status` and `history` go on as before, and say what they read; another machine knows of nothing."""
    for verb in ("status", "history"):
        ran = shell.run(verb)
        assert ran.code == 0
        assert "has no deployment of shop yet, so" in ran.error
        assert "journal.db was read" in ran.error
    assert "deployment 2" in shell.run("status").out
    assert history(shell) == ["1", "2"]
    assert history(other_machine(shell)) == []


def test_the_first_change_brings_it(shell: Shell) -> None:
    """`rollback` undoes the last deployment, and from then on every machine knows all of them, the same."""
    ran = shell.run("rollback", "--yes")
    assert ran.code == 0, ran.error
    assert "gets 2 deployments of shop from " in ran.error
    assert history(other_machine(shell)) == history(shell) == ["1", "2", "1"]
    assert shell.run("status").error == ""
    assert deploy(other_machine(shell), "3").error == ""
    assert history(shell) == ["1", "2", "1", "3"]
    resumed = shell.run("history", "--printed", "1")
    assert resumed.code == 0


def test_an_interrupted_one_is_resumed(shell: Shell) -> None:
    """Nobody carries it out any more, whoever holds the lock now."""
    shell.write(**SECTIONS)
    shell.write(**SECTIONS | {"restart": {"command": "test $ROLLOUT_NODE = web1"}})
    assert deploy(shell, "3").code == 1
    shell.write(**SECTIONS, state=str(shell.folder / "place"))
    ran = shell.run("resume", "--yes")
    assert ran.code == 0, ran.error + ran.out
    assert history(other_machine(shell)) == ["1", "2", "3"]


def test_of_two_machines_the_first_brings_its_history(shell: Shell) -> None:
    """The other one's stays where it is, and nothing of it is mixed with the first one's."""
    other = other_machine(shell)
    shell.write(**SECTIONS)
    for release in ("a", "b", "c"):
        assert deploy(other, release).code == 0
    shell.write(**SECTIONS, state=str(shell.folder / "place"))
    assert history(other) == ["a", "b", "c"]
    assert deploy(shell, "3").code == 0
    assert history(other) == ["1", "2", "3"]
    ran = deploy(other, "4")
    assert (ran.code, ran.error) == (0, "")
    assert history(other) == history(shell) == ["1", "2", "3", "4"]


def test_another_place_gets_it(shell: Shell) -> None:
    """From the copy of the place that the inventory named before, which is newer than the old journal."""
    assert deploy(shell, "3").code == 0
    shell.write(**SECTIONS, state=str(shell.folder / "moved"))
    assert history(shell) == ["1", "2", "3"]
    ran = shell.run("rollback", "--yes")
    assert ran.code == 0, ran.error
    assert "gets 3 deployments of shop from " in ran.error
    assert history(other_machine(shell)) == ["1", "2", "3", "2"]


def test_a_folder_that_was_copied_has_everything(shell: Shell) -> None:
    """Also what another machine deployed, as `docs/state.md` says it is done."""
    assert deploy(other_machine(shell), "3").code == 0
    shell.write(**SECTIONS, state=str(shell.folder / "moved"))
    assert "meets in " in shell.run("check").out
    (old,), (new,) = ((shell.folder / name).glob("shop-*") for name in ("place", "moved"))
    shutil.copytree(old, new, dirs_exist_ok=True)
    assert history(shell) == ["3"]
    ran = deploy(shell, "4")
    assert (ran.code, ran.error) == (0, "")
    assert history(shell) == ["3", "4"]


def test_a_place_that_lost_everything_gets_it_back(shell: Shell) -> None:
    """From the machine that deployed."""
    assert deploy(shell, "3").code == 0
    shutil.rmtree(shell.folder / "place")
    assert history(shell) == ["1", "2", "3"]
    assert deploy(shell, "4").code == 0
    assert history(other_machine(shell)) == ["1", "2", "3", "4"]


def test_another_inventory_has_another_history(shell: Shell) -> None:
    """An older rollout told services apart by their names alone: what was deployed from another file is not
    given to this one, and that is said."""
    staging = Path(shutil.copy(shell.folder / "rollout.yml", shell.folder / "staging.yml"))
    assert history_of(shell, staging) == []
    ran = shell.run("rollback", "--yes", "-i", staging.name)
    refused(ran, 3, "shop was deployed from rollout.yml before", "shop has not been deployed yet")
    assert history(shell) == ["1", "2"]


def history_of(shell: Shell, inventory: Path) -> list[str]:
    ran = shell.run("history", "--output", "json", "-i", inventory.name)
    return [deployment["release"] for deployment in json.loads(ran.out)]
