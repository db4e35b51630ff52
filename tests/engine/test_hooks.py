"""Hooks as real processes around real deployments on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rollout.agents.common import proc
from tests.support.command import rollout, write_inventory
from tests.support.until import wait

NODES = {name: {"host": "127.0.0.1", "ssh": "local"} for name in ("web1", "web2")}
HOOKS = ("before_deploy", "before_node", "after_node", "after_deploy", "on_failure")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of whoever runs the tests is taken for one of rollout's."""
    for name in [name for name in os.environ if name.startswith("ROLLOUT_")]:
        monkeypatch.delenv(name)


class Hooked:
    """An inventory of two nodes whose hooks, and whose release, leave a line in `log` beside it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "rollout.yml"
        self.log = folder / "log"

    def write(self, *failing: str, **sections: Any) -> None:
        """What is `failing` ends with 3; `sections` replace the inventory's."""
        hooks = {name: f"{self._line(name, 'log')} {'exit 3' if name in failing else ''}" for name in HOOKS}
        fails = "".join(f'test "$ROLLOUT_NODE" != {name};' for name in failing if name in NODES)
        given = {
            "nodes": NODES,
            "release": {"command": f"{self._line('release', self.log)} {fails}"},
            "restart": "none",
            **sections,
            "hooks": {**hooks, **sections.get("hooks", {})},
        }
        write_inventory(self.path, given)

    def deploy(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What is told never has a traceback."""
        ran = rollout(*(words or ("deploy", "--release", "2.0")), inventory=self.path)
        assert "Traceback" not in ran.stdout + ran.stderr
        return ran

    @property
    def happened(self) -> list[str]:
        """The lines of the log: what was run, for which node, and how the deployment had ended."""
        return [line.rstrip() for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def _line(self, name: str, log: str | Path) -> str:
        return f'echo {name} "$ROLLOUT_NODE" "$ROLLOUT_OUTCOME" >> {log};'


@pytest.fixture
def hooked(tmp_path: Path) -> Hooked:
    return Hooked(tmp_path)


def test_the_order(hooked: Hooked) -> None:
    """Around the deployment once, around each node once, in the inventory's folder."""
    hooked.write()
    ran = hooked.deploy()
    assert ran.returncode == 0, ran.stdout
    assert hooked.happened == [
        "before_deploy",
        *("before_node web1", "release web1", "after_node web1"),
        *("before_node web2", "release web2", "after_node web2"),
        "after_deploy  done",
    ]
    assert "before_deploy  here> " in ran.stdout


def test_the_environment(hooked: Hooked, tmp_path: Path) -> None:
    """Hooks know the deployment, the release, the one before, the node, and how it ended."""
    keep = "env | grep ^ROLLOUT_ | sort > {}"
    hooks = {
        "before_deploy": keep.format("before_deploy"),
        "before_node": {"command": keep.format(tmp_path / "$ROLLOUT_NODE"), "on": "node"},
        "after_deploy": keep.format("after_deploy"),
    }
    hooked.write(hooks=hooks)
    assert hooked.deploy("deploy", "--release", "1.0").returncode == 0
    assert hooked.deploy("deploy", "--release", "2.0").returncode == 0
    shared = {
        "ROLLOUT_DEPLOYMENT=2",
        "ROLLOUT_PREVIOUS_RELEASE=1.0",
        "ROLLOUT_RELEASE=2.0",
        "ROLLOUT_SERVICE=shop",
    }

    def told(name: str) -> set[str]:
        return set((tmp_path / name).read_text().splitlines())

    assert told("before_deploy") == shared
    assert told("web2") == shared | {"ROLLOUT_NODE=web2", "ROLLOUT_HOST=127.0.0.1"}
    assert told("after_deploy") == shared | {"ROLLOUT_OUTCOME=done", "ROLLOUT_REASON="}
    assert hooked.deploy("deploy").returncode == 0
    assert told("before_deploy") == {
        "ROLLOUT_DEPLOYMENT=3",
        "ROLLOUT_PREVIOUS_RELEASE=2.0",
        "ROLLOUT_SERVICE=shop",
    }


def test_before_deploy_refuses(hooked: Hooked) -> None:
    """Where it fails nothing is touched, which the journal knows, and the end of it is no hook's business."""
    hooked.write("before_deploy", prepare={"command": "echo prepared >> log"})
    ran = hooked.deploy()
    assert ran.returncode == 1
    assert hooked.happened == ["before_deploy", "on_failure  failed"]
    assert "exited with 3; no node was touched" in ran.stdout
    assert json.loads(hooked.deploy("history", "--output", "json").stdout)[0]["outcome"] == "failed"


def test_before_node_keeps_a_node(hooked: Hooked) -> None:
    """Where it fails, that node is not touched and counts as failed."""
    hooked.write(hooks={"before_node": 'echo not "$ROLLOUT_NODE"; test "$ROLLOUT_NODE" != web1'})
    ran = hooked.deploy()
    assert ran.returncode == 1
    assert hooked.happened == ["before_deploy", "on_failure  failed", "after_deploy  failed"]
    assert "web1 failed at drain after 0.0 s: before_node failed: `echo not" in ran.stdout
    assert "\n  | not web1\n" in ran.stdout
    assert "left out" not in ran.stdout


def test_failures_that_are_allowed_go_on(hooked: Hooked) -> None:
    """With `max_failures: 1` the others are rolled when one node's hook fails."""
    refusing = {"before_node": {"command": 'test "$ROLLOUT_NODE" != web1', "on": "node"}}
    hooked.write(hooks=refusing, strategy={"max_failures": 1})
    assert hooked.deploy().returncode == 1
    assert hooked.happened == [
        *("before_deploy", "release web2", "after_node web2"),
        *("on_failure  failed", "after_deploy  failed"),
    ]


def test_failures_afterwards_are_warnings(hooked: Hooked) -> None:
    """What was done stays done."""
    hooked.write("after_node", "after_deploy")
    ran = hooked.deploy()
    assert ran.returncode == 0
    assert "web1  warning  after_node failed: `" in ran.stdout
    assert "warning: after_deploy failed: `" in ran.stdout
    assert "2.0 done on 2 of 2 nodes" in ran.stdout


def test_around_a_rollback(hooked: Hooked) -> None:
    """`on_failure` is done before the rollback begins, which is a deployment with hooks of its own."""
    hooked.write()
    assert hooked.deploy("deploy", "--release", "1.0").returncode == 0
    hooked.log.unlink()
    hooked.write(
        "on_failure",
        release={"command": 'test "$ROLLOUT_RELEASE$ROLLOUT_NODE" != 2.0web2'},
        strategy={"on_failure": "rollback"},
    )
    assert hooked.deploy().returncode == 1
    assert hooked.happened == [
        *("before_deploy", "before_node web1", "after_node web1", "before_node web2"),
        *("on_failure  failed", "after_deploy  failed"),
        "before_deploy",
        *("before_node web2", "after_node web2", "before_node web1", "after_node web1"),
        "after_deploy  done",
    ]


def test_a_refusal_rolls_nothing_back(hooked: Hooked) -> None:
    """A `before_deploy` that lets a deployment not go on says nothing against what it did so far."""
    roll_back = {"on_failure": "rollback"}
    hooked.write(strategy=roll_back, hooks={"after_node": "kill -INT $PPID"})
    assert hooked.deploy().returncode == 130
    hooked.log.unlink()
    hooked.write("before_deploy", strategy=roll_back)
    ran = hooked.deploy("resume")
    assert ran.returncode == 1
    assert hooked.happened == ["before_deploy", "on_failure  failed"]
    assert "rollback did not begin" not in ran.stderr
    assert "rolled back" not in ran.stdout


def test_a_time_out_ends_all_of_it(hooked: Hooked, tmp_path: Path) -> None:
    """A hook that takes too long has failed, and what it started is ended with it."""
    line = "sleep 600 & echo $! > sleeping; wait"
    hooked.write(hooks={"before_deploy": {"command": line, "timeout": "2s"}})
    ran = hooked.deploy()
    assert ran.returncode == 1
    assert "before_deploy failed: this machine: the command did not end within 2 s" in ran.stdout
    assert proc.find(int((tmp_path / "sleeping").read_text())) is None


def test_secrets_stay_secret(hooked: Hooked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook knows the inventory's variables; what it prints of them is masked, and so is what it is told."""
    monkeypatch.setenv("TOKEN", "hunter2")
    hooks = {
        "before_deploy": "echo it is ${TOKEN}",
        "on_failure": 'echo "$ROLLOUT_REASON" > reason; echo ${TOKEN} >&2; exit 1',
        "before_node": "echo hunter2; exit 1",
    }
    hooked.write(hooks=hooks, nodes={"web-hunter2": NODES["web1"]})
    ran = hooked.deploy()
    assert ran.returncode == 1
    assert "before_deploy  | it is ***" in ran.stdout
    assert "on_failure  | ***" in ran.stdout
    assert (tmp_path / "reason").read_text() == "web-*** failed\n"
    kept = [file.read_bytes() for file in Path(os.environ["XDG_STATE_HOME"]).rglob("*.db*")]
    assert kept
    assert [line for line in ran.stdout.splitlines() if "hunter2" in line.replace("web-hunter2", "")] == []
    assert not any(b"it is hunter2" in text for text in kept)


def test_a_plan_shows_them_and_runs_none(hooked: Hooked) -> None:
    """As they will be run, and where."""
    hooked.write(hooks={"after_node": {"command": "./tell", "on": "node", "timeout": "5s"}})
    shown = hooked.deploy("plan").stdout
    order = ["before_deploy here> ", "before_node here> ", "after_node $ ./tell", "on_failure here> "]
    assert sorted(order, key=shown.index) == order
    told = json.loads(hooked.deploy("plan", "--output", "json").stdout)["hooks"]
    assert list(told) == ["before_deploy", "before_node", "after_node", "after_deploy", "on_failure"]
    assert told["after_node"] == {"command": "./tell", "on": "node", "timeout": 5.0}
    assert hooked.deploy("check").returncode == 0
    assert hooked.happened == []


def test_json_has_them_as_events(hooked: Hooked) -> None:
    """Programs see when a hook began, what it printed, and how it ended."""
    hooked.write(nodes={"web1": NODES["web1"]}, hooks={"after_node": "echo one; exit 4"})
    events = [json.loads(line) for line in hooked.deploy("deploy", "--output", "json").stdout.splitlines()]
    seen = [event for event in events if event.get("hook") == "after_node"]
    assert [event["event"] for event in seen] == ["hook_started", "hook_printed", "hook_ended"]
    assert seen[0] | {"node": "web1", "on": "here", "line": "echo one; exit 4"} == seen[0]
    assert seen[1]["text"] == "one"
    assert seen[2]["failure"] == "after_node failed: `echo one; exit 4` exited with 4"


@contextmanager
def deploying(path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "rollout", "deploy", "--release", "2.0", "-i", str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _until_there(file: Path) -> None:
    wait(lambda: file.exists() and file.read_text(), str(file))


def _until_told(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"never told: {text}")


def test_a_first_ctrl_c_lets_a_hook_finish(hooked: Hooked, tmp_path: Path) -> None:
    """No node starts then, and the end is still told to `after_deploy`; a resume begins with hooks again."""
    wait = "echo $$ > waiting; until [ -e go ]; do sleep 0.02; done; echo let >> log"
    hooked.write(hooks={"before_deploy": wait})
    with deploying(hooked.path) as process:
        _until_there(tmp_path / "waiting")
        process.send_signal(signal.SIGINT)
        _until_told(process, "SIGINT: the nodes in flight finish")
        (tmp_path / "go").touch()
        out, _ = process.communicate(timeout=60)
        assert (process.returncode, "Traceback" in out) == (130, False)
    assert hooked.happened == ["let", "after_deploy  interrupted"]
    hooked.log.unlink()
    assert hooked.deploy("resume").returncode == 0
    assert hooked.happened[:2] == ["let", "before_node web1"]
    assert hooked.happened[-1] == "after_deploy  done"


@pytest.mark.parametrize("name", ["before_deploy", "before_node", "after_node", "after_deploy"])
def test_a_second_ctrl_c_ends_a_hook(hooked: Hooked, tmp_path: Path, name: str) -> None:
    """At once, with no other one after it; what was done before is known to be done."""
    hooked.write(hooks={name: "echo $$ > waiting; sleep 600"})
    with deploying(hooked.path) as process:
        _until_there(tmp_path / "waiting")
        process.send_signal(signal.SIGINT)
        _until_told(process, "SIGINT: the nodes in flight finish")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        assert (process.returncode, "Traceback" in out) == (130, False)
    assert proc.find(int((tmp_path / "waiting").read_text())) is None
    assert not any(line.startswith(("after_deploy", "on_failure")) for line in hooked.happened)
    last = json.loads(hooked.deploy("history", "--output", "json").stdout)[0]
    done = {"before_deploy": 0, "before_node": 0, "after_node": 1, "after_deploy": 2}[name]
    assert (last["outcome"], last["done"], last["left_out"]) == ("interrupted", done, [])
