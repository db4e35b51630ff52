"""What the systemd driver runs for several units and for a user's own, and how it judges them together."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rollout.inventory.restart import Restart, Systemd
from rollout.inventory.template import fill
from rollout.restart import systemd
from rollout.restart.driver import Proof, ProofStatus

OLD, NEW = "InvocationID=aa", "InvocationID=bb"
ACTIVE = "LoadState=loaded ActiveState=active SubState=running Job= Result=success"
FAILED = "LoadState=loaded ActiveState=failed SubState=failed Job= Result=exit-code"
STOPPING = "LoadState=loaded ActiveState=deactivating SubState=stop-sigterm Job=7 Result=success"


def proof(action: str = "restart") -> Proof:
    found = systemd.plan_restart(Systemd(unit="a b", action=action), 30, str).proof
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("after", "status", "detail"),
    [
        (
            (f"{ACTIVE} {NEW}", f"{ACTIVE} {NEW}"),
            ProofStatus.DONE,
            "a is active (running), b is active (running)",
        ),
        ((f"{ACTIVE} {NEW}", f"{STOPPING} {OLD}"), ProofStatus.WAIT, "b is deactivating (stop-sigterm)"),
        ((f"{STOPPING} {OLD}", f"{FAILED} {NEW}"), ProofStatus.FAILED, "b failed (Result=exit-code)"),
        (
            (f"{ACTIVE} {NEW}", f"{ACTIVE} {OLD}"),
            ProofStatus.FAILED,
            "b was not restarted: it is still the same",
        ),
        (("Failed to connect to bus",), ProofStatus.WAIT, "a: Failed to connect to bus, b: Failed to"),
    ],
)
def test_units_are_as_good_as_the_worst_of_them(
    after: tuple[str, ...], status: ProofStatus, detail: str
) -> None:
    """And those that are as bad are named."""
    judged = proof().compare("\n".join([f"{ACTIVE} {OLD}"] * 2), "\n".join(after))
    assert (judged.status, judged.detail[: len(detail)]) == (status, detail)


def test_what_runs_on_is_kept_unless_one_has_reloaded() -> None:
    """Only then may the release before be put back while the node serves."""
    then, now = "StateChangeTimestampMonotonic=1", "StateChangeTimestampMonotonic=2"
    before = f"{ACTIVE} {OLD} {then}"
    refused = f"{ACTIVE} {OLD} {now} ReloadResult=timeout"
    reloaded = f"{ACTIVE} {OLD} {now} ReloadResult=success"
    compare = proof("reload").compare
    assert compare(f"{before}\n{before}", f"{refused}\n{before}").kept
    assert not compare(f"{before}\n{before}", f"{reloaded}\n{refused}").kept


def test_they_are_named_after_their_node() -> None:
    """In either form; people see them in a line."""

    def filled(text: str) -> str:
        return fill(text, host="10.0.0.11", node="web1", release=None)

    for settings in (Restart(systemd="shop@{node}").systemd, Systemd(unit="shop@{node}")):
        assert systemd.plan_restart(settings, 30, filled).command.endswith("systemctl restart shop@web1")
    several = systemd.plan_restart("shop@{node} mail", 30, filled)
    assert several.shown == "systemctl restart shop@web1 mail, one unit after another"


@pytest.mark.parametrize(
    ("lingers", "answers", "told"),
    [
        ("yes", True, ""),
        ("", True, ""),
        ("no", True, "ends when {me} logs out"),
        ("yes", False, "does not answer: Failed to connect to bus"),
    ],
)
def test_a_manager_that_would_end_with_its_user_is_refused(
    tmp_path: Path, lingers: str, answers: bool, told: str
) -> None:
    """Its units would end when rollout logs out. Where nobody manages logins, nothing ends."""
    answer = "echo loaded" if answers else "echo Failed to connect to bus >&2; exit 1"
    for name, script in {"loginctl": f"echo {lingers}", "systemctl": answer}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    line = systemd.plan_restart(Systemd(unit="shop", user=True), 30, str).precheck
    assert line is not None
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, timeout=20)
    me = subprocess.check_output(["id", "-un"], text=True).strip()
    hint = f": run `sudo loginctl enable-linger {me}` once"
    expected = f"the service manager of {me} {told.format(me=me)}{hint}\n" if told else ""
    assert (done.stdout, done.returncode) == (expected, 1 if told else 0)
