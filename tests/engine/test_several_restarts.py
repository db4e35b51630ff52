"""Several restarts of a node, one after another: each is proved before the next one begins."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import rollout, write_inventory
from tests.support.until import wait


class Parts:
    """Parts of a service that run nothing: each has a file that says how often it was restarted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "shop.yml"
        for name in ("web", "worker"):
            (folder / name).write_text("0\n")

    def one(self, name: str, **lines: str) -> dict[str, Any]:
        """The restart of a part; `lines` replace its own."""
        file = self.folder / name
        own = {
            "restart": f'echo $(($(cat {file}) + 1)) >{file}; echo "{name} $ROLLOUT_RELEASE" >>{self._order}',
            "check": f"cat {file} >/dev/null || exit 69",
        }
        return {"command": {**own, **lines}, "timeout": "1s"}

    def write(self, *restarts: dict[str, Any]) -> None:
        release = {"command": f'echo "release $ROLLOUT_RELEASE" >>{self._order}'}
        write_inventory(self.path, {"release": release, "restart": [*restarts]})

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return rollout(*words, inventory=self.path)

    def order(self) -> list[str]:
        """What was done, in order."""
        return self._order.read_text().splitlines() if self._order.exists() else []

    @property
    def _order(self) -> Path:
        return self.folder / "order"


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return Parts(tmp_path)


def test_they_are_carried_out_in_their_order(parts: Parts) -> None:
    """All are planned, looked at beforehand, and proved; the second one when the first one has lasted."""
    parts.write(parts.one("web", proof=f"cat {parts.folder}/web"), parts.one("worker"))
    planned = json.loads(parts.run("plan", "--release", "2", "--output", "json").stdout)
    assert sum("echo $(($(cat" in line["line"] for line in _lines(planned)) == 2
    checked = parts.run("check").stdout
    for part in ("restart 1 of 2 (command)", "restart 2 of 2 (command)"):
        assert f"{part} can be carried out" in checked
    done = parts.run("deploy", "--release", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert parts.order() == ["release 2", "web 2", "worker 2"]
    assert "restart 1 of 2 (command) is done: 1 in place of 0" in done.stdout


def _lines(planned: Any) -> list[Any]:
    return [line for line in _every(planned) if isinstance(line, dict) and "line" in line]


def _every(value: Any) -> list[Any]:
    inner = [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return [value, *(found for each in inner for found in _every(each))]


def test_the_one_that_fails_is_named_with_the_state_of_the_others(parts: Parts) -> None:
    """The first one runs the release already, so nothing is put back; a rollback restarts all of them."""
    parts.write(parts.one("web"), parts.one("worker"))
    assert parts.run("deploy", "--release", "1").returncode == 0
    parts.write(
        parts.one("web"), parts.one("worker", restart='test "$ROLLOUT_RELEASE" = 1'), parts.one("web")
    )
    done = parts.run("deploy", "--release", "2")
    assert done.returncode == 1
    failed = 'restart 2 of 3 (command) failed: `test "$ROLLOUT_RELEASE" = 1` exited with 1'
    assert f"{failed}; restart 1 of 3 (command) is done" in done.stdout
    assert parts.order()[3:] == ["release 2", "web 2"]
    parts.write(parts.one("web"), parts.one("worker"))
    back = parts.run("rollback")
    assert back.returncode == 0, back.stdout + back.stderr
    assert parts.order()[5:] == ["release 1", "web 1", "worker 1"]


def test_the_first_one_is_not_touched_where_the_second_one_would_refuse(parts: Parts) -> None:
    """Its check fails with the release on the disk: nothing is restarted, and the release before is there
    again."""
    refuses = f"! tail -n 1 {parts.folder}/order | grep -qx 'release 2' || {{ echo no such table; false; }}"
    parts.write(parts.one("web"), parts.one("worker", check=refuses))
    assert parts.run("deploy", "--release", "1").returncode == 0
    done = parts.run("deploy", "--release", "2")
    assert done.returncode == 1
    assert "restart 2 of 2 (command): the check before the restart failed, so nothing was restarted" in (
        done.stdout
    )
    assert parts.order()[3:] == ["release 2", "release 1"]
    assert "left out" not in done.stdout


def test_each_of_them_is_looked_at_before_anything_is_touched(parts: Parts) -> None:
    """The second one could not be carried out, or does not run: the first part's evidence is none for it."""
    parts.write(parts.one("web"), parts.one("worker", check="echo no licence; exit 1"))
    refused = parts.run("deploy", "--release", "2")
    assert refused.returncode == 3
    assert "web1: restart 2 of 2 (command): check failed: the restart cannot be carried out: no licence" in (
        refused.stderr
    )
    assert parts.order() == []


def test_one_that_does_not_run_is_started_in_its_turn(parts: Parts) -> None:
    """By the `start` beside it; that it will be is said beforehand."""
    worker = parts.folder / "worker"
    worker.unlink()
    start = f'echo 1 >{worker}; echo "start $ROLLOUT_RELEASE" >>{parts.folder}/order'
    parts.write(parts.one("web"), {**parts.one("worker"), "start": start})
    done = parts.run("deploy", "--release", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "restart 2 of 2 (command): what it restarts does not run there" in done.stdout
    assert parts.order() == ["release 2", "web 2", "start 2"]


def test_a_resumed_deployment_restarts_all_of_them(parts: Parts) -> None:
    """The first one was done when the second one failed: both run the release in the end."""
    parts.write(parts.one("web"), parts.one("worker", restart="exit 3"))
    assert parts.run("deploy", "--release", "2").returncode == 1
    parts.write(parts.one("web"), parts.one("worker"))
    resumed = parts.run("resume")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert parts.order() == ["release 2", "web 2", "release 2", "web 2", "worker 2"]


def test_after_a_kill_between_two_of_them_none_is_skipped(parts: Parts) -> None:
    """The first one has done its work when rollout is killed; what it has begun ends before it is resumed."""
    go = parts.folder / "go"
    web = parts.one("web")
    web["command"]["restart"] += f"; until [ -e {go} ]; do sleep 0.02; done"
    parts.write({**web, "timeout": "20s"}, parts.one("worker"))
    words = [sys.executable, "-m", "rollout", "deploy", "--release", "2", "-i", str(parts.path), "--yes"]
    killed = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    wait(lambda: "web 2" in parts.order(), "the first restart")
    killed.kill()
    killed.wait()
    go.touch()
    resumed = parts.run("resume")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert parts.order() == ["release 2", "web 2", "web 2", "worker 2"]
