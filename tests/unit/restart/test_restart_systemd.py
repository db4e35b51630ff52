"""What the systemd driver runs, and how it judges what systemctl shows."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.errors import UsageError
from rollout.inventory.restart import Systemd
from rollout.restart import systemd
from rollout.restart.driver import Proof, ProofResult, ProofStatus

RUNNING = {
    "Result": "success",
    "NRestarts": "0",
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "InvocationID": "2cf19fb2e065473690d4ba53ab6a5d4b",
    "Job": "",
    "NeedDaemonReload": "no",
}
BEFORE = RUNNING | {"InvocationID": "aa0119b2e065473690d4ba53ab6a5d4b"}


def proof(unit: str = "shop.service") -> Proof:
    found = systemd.plan_restart(unit, 30, str).proof
    assert found is not None
    return found


def shown(properties: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in properties.items())


def compare(before: dict[str, str], **after: str) -> ProofResult:
    return proof().compare(shown(before), shown(RUNNING | after))


def test_the_lines_are_what_a_person_would_type() -> None:
    """The commands are readable: `rollout plan` shows them to people."""
    plan = systemd.plan_restart("shop.service", 30, str)
    as_root = '$([ "$(id -u)" = 0 ] || echo sudo -n)'
    forgets = f"{as_root} systemctl reset-failed shop.service 2>/dev/null"
    assert plan.command == f"{forgets}; {as_root} systemctl restart shop.service"
    assert plan.timeout == 30
    assert proof().observe.startswith("systemctl show shop.service -p LoadState -p ActiveState")
    assert "journalctl -u shop.service -n 20 --no-pager -o cat" in str(plan.explain)


@pytest.mark.parametrize("unit", ["shop@1.service", "a:b_c-d.service", r"dev-\x2dshop.service", "shop"])
def test_names_that_systemd_takes_are_taken(unit: str) -> None:
    """A unit's name reaches systemctl as one word, exactly as it was written."""
    assert shlex.split(systemd.plan_restart(unit, 1, str).command.split("systemctl ")[2]) == ["restart", unit]


@pytest.mark.parametrize(
    "unit", ["", "-H", "shop.service -H", "a;reboot", "$(id)", "shop*", "é", "a\n", "a" * 256, "{node}"]
)
def test_names_that_systemd_would_not_take_are_refused(unit: str) -> None:
    """What is no unit's name, or would be an option of systemctl, never gets into a shell line."""
    with pytest.raises(UsageError, match="is not the name of a systemd unit"):
        systemd.plan_restart(unit, 1, str)


def test_a_new_invocation_that_is_active_is_done() -> None:
    """Done means active under another invocation than before."""
    assert compare(BEFORE) == ProofResult(ProofStatus.DONE, "shop.service is active (running)")


def test_a_unit_that_had_never_run_is_done_once_it_runs() -> None:
    """An empty invocation before is no obstacle."""
    assert compare(RUNNING | {"ActiveState": "inactive", "InvocationID": ""}).status is ProofStatus.DONE


def test_a_oneshot_that_remains_is_done() -> None:
    """`RemainAfterExit=yes` leaves a unit active after its program has ended: that is a restart."""
    assert compare(BEFORE, SubState="exited").status is ProofStatus.DONE


@pytest.mark.parametrize(
    ("after", "status", "detail"),
    [
        ({"InvocationID": BEFORE["InvocationID"]}, ProofStatus.FAILED, "was not restarted"),
        ({"InvocationID": BEFORE["InvocationID"], "Job": "7"}, ProofStatus.WAIT, "active (running)"),
        ({"InvocationID": ""}, ProofStatus.FAILED, "was not restarted"),
        ({"ActiveState": "activating", "SubState": "start"}, ProofStatus.WAIT, "activating (start)"),
        ({"ActiveState": "deactivating", "SubState": "stop-sigterm"}, ProofStatus.WAIT, "deactivating"),
        ({"ActiveState": "reloading", "SubState": "reload"}, ProofStatus.WAIT, "reloading"),
        ({"ActiveState": "refreshing"}, ProofStatus.WAIT, "refreshing"),
        ({"ActiveState": "inactive", "SubState": "dead", "Job": "7"}, ProofStatus.WAIT, "inactive (dead)"),
        (
            {"ActiveState": "inactive", "SubState": "dead"},
            ProofStatus.FAILED,
            "is not running (Result=success)",
        ),
        ({"ActiveState": "failed", "SubState": "failed", "Job": "7"}, ProofStatus.WAIT, "failed (failed)"),
        ({"ActiveState": "failed", "Result": "oom-kill"}, ProofStatus.FAILED, "failed (Result=oom-kill)"),
        ({"ActiveState": "activating", "SubState": "auto-restart"}, ProofStatus.FAILED, "ended as soon as"),
        (
            {"ActiveState": "activating", "SubState": "auto-restart-queued"},
            ProofStatus.FAILED,
            "ended as soon as",
        ),
        ({"NRestarts": "3"}, ProofStatus.FAILED, "keeps restarting (3 times so far)"),
        ({"LoadState": "not-found", "ActiveState": "inactive"}, ProofStatus.FAILED, "there is no such unit"),
        ({"LoadState": "masked", "ActiveState": "inactive"}, ProofStatus.FAILED, "the unit is masked"),
        ({"LoadState": "bad-setting", "ActiveState": "inactive"}, ProofStatus.FAILED, "has a bad setting"),
        ({"NeedDaemonReload": "yes"}, ProofStatus.DONE, "systemctl daemon-reload was not run"),
    ],
)
def test_each_state_has_its_result(after: dict[str, str], status: ProofStatus, detail: str) -> None:
    """Every state that systemd can show is judged, and told with the unit's name."""
    judged = compare(BEFORE, **after)
    assert judged.status is status
    assert detail in judged.detail
    assert judged.detail.startswith("shop.service")


@pytest.mark.parametrize(
    ("after", "status", "detail"),
    [
        ({}, ProofStatus.DONE, "is active (running)"),
        ({"ActiveState": "reloading"}, ProofStatus.WAIT, "is reloading"),
        (
            {"ActiveState": "failed", "Result": "signal"},
            ProofStatus.FAILED,
            "ended soon after it had started",
        ),
        ({"ActiveState": "inactive", "SubState": "dead"}, ProofStatus.FAILED, "(Result=success)"),
        ({"InvocationID": BEFORE["InvocationID"]}, ProofStatus.FAILED, ", and systemd starts it again"),
        ({"ActiveState": "activating", "SubState": "auto-restart"}, ProofStatus.FAILED, "starts it again"),
        ({"LoadState": "not-found"}, ProofStatus.FAILED, "there is no such unit"),
    ],
)
def test_what_was_started_must_live(after: dict[str, str], status: ProofStatus, detail: str) -> None:
    """In the invocation that was proved, however often systemd starts the unit again."""
    judged = proof().compare_life(shown(RUNNING), shown(RUNNING | after))
    assert (judged.status, detail in judged.detail) == (status, True), judged.detail


@pytest.mark.parametrize(
    ("before", "stopped"),
    [
        ({}, ""),
        ({"ActiveState": "failed", "SubState": "failed"}, "shop.service is failed (failed)"),
        ({"ActiveState": "activating", "SubState": "auto-restart"}, "shop.service is activating"),
        ({"ActiveState": "inactive", "SubState": "dead", "Job": "7"}, ""),
    ],
)
def test_only_a_unit_that_runs_is_reloaded(before: dict[str, str], stopped: str) -> None:
    """Any other is started; a restart starts it anyway."""
    reload = systemd.plan_restart(Systemd(unit="shop.service", action="reload"), 30, str)
    assert reload.proof is not None
    assert reload.proof.stopped(shown(RUNNING | before)).startswith(stopped)
    assert bool(reload.proof.stopped(shown(RUNNING | before))) is bool(stopped)
    assert reload.start is not None
    assert proof().stopped(shown(RUNNING | before)) == ""


def test_restarts_of_long_ago_do_not_count() -> None:
    """A count of restarts that did not change since before says nothing about the new invocation."""
    assert compare(BEFORE | {"NRestarts": "3"}, NRestarts="3").status is ProofStatus.DONE
    assert compare(BEFORE | {"NRestarts": "3"}, NRestarts="0").status is ProofStatus.DONE


def test_properties_that_a_unit_does_not_have_are_not_needed() -> None:
    """A target or an old systemd shows fewer properties; the invocation is enough."""
    few = {"ActiveState": "active", "InvocationID": "b"}
    assert proof().compare(shown(few | {"InvocationID": "a"}), shown(few)).status is ProofStatus.DONE


@pytest.mark.parametrize(
    "said", ["sh: 1: systemctl: not found", "bash: line 1: systemctl: command not found\n"]
)
def test_a_host_without_systemctl_is_told(said: str) -> None:
    """No systemctl is not a failed unit: it says that this is the wrong driver for the host."""
    assert proof().compare(said, said) == ProofResult(
        ProofStatus.FAILED, "systemctl: not found: this host has no systemd"
    )


def test_a_systemd_that_does_not_answer_is_quoted() -> None:
    """Where systemd has never answered, its words are the reason; where it has, it may answer again."""
    said = "System has not been booted with systemd as init system (PID 1).\nFailed to connect to bus\n"
    assert proof().compare(said, said) == ProofResult(
        ProofStatus.FAILED, "shop.service: Failed to connect to bus"
    )
    assert proof().compare(shown(BEFORE), said).status is ProofStatus.WAIT
    assert proof().compare("", "").detail == "shop.service: systemctl said nothing"


@given(before=st.text(), after=st.text(), noise=st.text())
def test_no_output_is_too_odd(before: str, after: str, noise: str) -> None:
    """Whatever is printed there is a judgement, and only the proof itself makes it done."""
    assert proof().compare(before, after).status is not ProofStatus.DONE
    mixed = f"{shown(RUNNING)}\n{noise.replace('=', ' ')}\n"
    assert proof().compare(shown(BEFORE), mixed).status is ProofStatus.DONE
    assert proof().compare(mixed, mixed).status is ProofStatus.FAILED


@given(
    st.fixed_dictionaries(
        {
            "ActiveState": st.sampled_from(["active", "inactive", "failed", "activating", "deactivating"]),
            "SubState": st.sampled_from(["running", "dead", "auto-restart", "start", "exited"]),
            "InvocationID": st.sampled_from(["", "a", "b"]),
            "Job": st.sampled_from(["", "5"]),
            "NRestarts": st.sampled_from(["0", "1"]),
            "LoadState": st.sampled_from(["loaded", "not-found", "masked"]),
        }
    )
)
def test_done_is_always_active_and_new(after: dict[str, str]) -> None:
    """No mixture of properties but a loaded, active unit with a new invocation passes for a restart."""
    if proof().compare(shown(BEFORE | {"InvocationID": "a"}), shown(after)).status is ProofStatus.DONE:
        assert (after["ActiveState"], after["InvocationID"], after["Job"]) == ("active", "b", "")
        assert (after["NRestarts"], after["LoadState"]) == ("0", "loaded")


RELOADED = {"StateChangeTimestampMonotonic": "2000", "ReloadResult": "success"}
NOT_YET = RUNNING | {"StateChangeTimestampMonotonic": "1000", "ReloadResult": "success"}


def reload_proof() -> Proof:
    found = systemd.plan_restart(Systemd(unit="shop.service", action="reload"), 30, str).proof
    assert found is not None
    return found


def test_a_reload_is_what_a_person_would_type() -> None:
    """With settings the unit is restarted like without, unless they say reload."""
    plan = systemd.plan_restart(Systemd(unit="shop.service", action="reload"), 30, str)
    assert plan.command == '$([ "$(id -u)" = 0 ] || echo sudo -n) systemctl reload shop.service'
    assert systemd.plan_restart(Systemd(unit="shop.service"), 30, str).command == (
        systemd.plan_restart("shop.service", 30, str).command
    )


@pytest.mark.parametrize(
    ("after", "status", "detail"),
    [
        ({}, ProofStatus.DONE, "shop.service is reloaded, and active (running)"),
        ({"NeedDaemonReload": "yes"}, ProofStatus.DONE, "systemctl daemon-reload was not run"),
        ({"StateChangeTimestampMonotonic": "1000"}, ProofStatus.FAILED, "shop.service was not reloaded"),
        (
            {"ReloadResult": "timeout"},
            ProofStatus.FAILED,
            "failed (ReloadResult=timeout): it keeps running as before",
        ),
        (
            {"ActiveState": "reloading", "SubState": "reload-notify"},
            ProofStatus.WAIT,
            "reloading (reload-notify)",
        ),
        ({"StateChangeTimestampMonotonic": "1000", "Job": "7"}, ProofStatus.WAIT, "active (running)"),
        ({"InvocationID": "another"}, ProofStatus.FAILED, "ended on the reload, and was started again"),
        (
            {"ActiveState": "activating", "SubState": "auto-restart"},
            ProofStatus.FAILED,
            "ended on the reload, and was started again",
        ),
        (
            {"ActiveState": "failed", "Result": "signal"},
            ProofStatus.FAILED,
            "ended on the reload (Result=signal)",
        ),
        ({"ActiveState": "inactive"}, ProofStatus.FAILED, "ended on the reload"),
        ({"LoadState": "not-found"}, ProofStatus.FAILED, "shop.service: there is no such unit"),
    ],
)
def test_each_state_after_a_reload_has_its_result(
    after: dict[str, str], status: ProofStatus, detail: str
) -> None:
    """A reload is done when something has happened to the unit since, and systemd does not complain."""
    judged = reload_proof().compare(shown(NOT_YET), shown(RUNNING | RELOADED | after))
    assert judged.status is status
    assert detail in judged.detail


def test_a_systemctl_that_does_not_answer_is_asked_again() -> None:
    """After a reload as after a restart."""
    judged = reload_proof().compare(shown(NOT_YET), "Failed to connect to bus: Connection refused")
    assert judged.status is ProofStatus.WAIT
