"""What a restart that could not be carried out now means: a problem, or a warning that says what happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rollout.agents.common.talk import Failed, NotRunning, NotThere
from rollout.decisions.finding import Level
from rollout.engine.checks.restart_check import FAILS, Evidence, RestartFails, judged
from rollout.inventory.load import load
from tests.support.command import write_inventory

NOTHING_KNOWN = Evidence(runs="", shown=False, is_broken=False, gets_release=False)
UP = "http://web1/_status is right"


def judge(
    folder: Path, kind: type[Failed], *, start: str | None = None, part: str = "", **known: Any
) -> tuple[Level, str, str | None]:
    health = {"health": {"http": "http://{host}/_status", "timeout": "20s"}}
    inventory = load(write_inventory(folder / "shop.yml", {"restart": {"command": "true"}, **health}), {})
    found = RestartFails(
        Level.PROBLEM, "web1", "", status=kind.exit_status, reason="it is gone", start=start, part=part
    )
    evidence = Evidence(**{name: getattr(NOTHING_KNOWN, name) for name in Evidence.__slots__} | known)
    (finding,) = judged([found], inventory, lambda _: evidence)
    return finding.level, finding.text, finding.hint


@pytest.mark.parametrize(
    ("kind", "known", "level", "told"),
    [
        (NotRunning, {"runs": UP, "shown": True}, Level.PROBLEM, f"{FAILS}: it is gone, but {UP}"),
        (NotRunning, {"runs": UP, "shown": True, "is_broken": True}, Level.WARNING, "does not run there"),
        (NotRunning, {"shown": True}, Level.WARNING, "rollout waits 20s for its health page"),
        (
            NotRunning,
            {"shown": True, "gets_release": True},
            Level.WARNING,
            "(it is gone), and nothing here starts it: rollout puts the release there and waits 20s",
        ),
        (
            NotRunning,
            {"start": "go"},
            Level.WARNING,
            "does not run there (it is gone): it is started by `go`",
        ),
        (NotRunning, {"is_broken": True}, Level.WARNING, "start it meanwhile, or set restart.start"),
        (NotRunning, {}, Level.PROBLEM, f"{FAILS}: it is gone"),
        (NotThere, {"gets_release": True}, Level.WARNING, "it is gone: the release must bring it"),
        (NotThere, {}, Level.PROBLEM, f"{FAILS}: it is gone"),
        (NotThere, {"gets_release": True, "runs": UP}, Level.PROBLEM, f"{FAILS}: it is gone"),
        (Failed, {"gets_release": True}, Level.PROBLEM, f"{FAILS}: it is gone"),
        (Failed, {"is_broken": True}, Level.PROBLEM, f"{FAILS}: it is gone"),
        (
            Failed,
            {"is_broken": True, "gets_release": True},
            Level.WARNING,
            "it is gone; it is tried once the release is there",
        ),
    ],
)
def test_each_failed_check_has_its_meaning(
    tmp_path: Path, kind: type[Failed], known: dict[str, Any], level: Level, told: str
) -> None:
    """It is a problem where the application evidently runs, or where nothing would start it or show that it
    runs; on a node that is known to be broken it never is, if that gets a release."""
    found, text, _ = judge(tmp_path, kind, **known)
    assert (found, told in text) == (level, True), text


def test_what_to_do_is_told(tmp_path: Path) -> None:
    """Where nothing would start the application, and where it runs otherwise than the inventory says."""
    assert judge(tmp_path, NotRunning)[2] == "start shop on web1, or set restart.start"
    assert judge(tmp_path, NotRunning, runs=UP)[2] == "correct `restart:` in the inventory"


def test_the_page_is_no_evidence_for_one_of_several(tmp_path: Path) -> None:
    """It may be that of another one: what does not run is started, and else it is refused, with its name."""
    known = {"part": "restart 2 of 2 (runit)", "runs": UP, "shown": True}
    level, text, _ = judge(tmp_path, NotRunning, start="go", **known)
    assert level is Level.WARNING
    assert text == (
        "restart 2 of 2 (runit): what it restarts does not run there (it is gone): it is started by `go`"
    )
    level, text, hint = judge(tmp_path, NotRunning, **known)
    assert (level, hint) == (Level.PROBLEM, "start it on web1, or set `start` beside it")
    assert text == f"restart 2 of 2 (runit): {FAILS}: it is gone"
    level, text, _ = judge(tmp_path, NotRunning, is_broken=True, **known)
    assert level is Level.WARNING
    assert "rollout waits until it runs; start it meanwhile, or set `start` beside it" in text
