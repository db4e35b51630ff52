"""The states of units before and after, as `systemctl show` prints them, and whether they prove a restart or
reload.

systemd gives every start of a unit an `InvocationID`. A restart is done when the unit is active under a
different one, whatever the restart command said. A reload is done when it is active under the same one, has
been in another state since, and systemd reports no failure of the reload (`ReloadResult`). From then on, a
unit lives as long as it is active under that invocation: systemd may have started it again meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rollout.restart.driver import ProofResult, ProofStatus

PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "InvocationID",
    "Job",
    "Result",
    "ReloadResult",
    "StateChangeTimestampMonotonic",
    "NRestarts",
    "NeedDaemonReload",
)
_BADNESS = (ProofStatus.DONE, ProofStatus.WAIT, ProofStatus.FAILED)
Compare = Callable[[str, str, str], ProofResult]
"""The comparison of a unit, by its name, before and after."""
_UNUSABLE = {
    "not-found": "there is no such unit",
    "masked": "the unit is masked",
    "bad-setting": "the unit file has a bad setting",
    "error": "the unit file cannot be loaded",
}


def of_units(units: Sequence[str], compare: Compare) -> Callable[[str, str], ProofResult]:
    """What `compare` finds for each of the units, together: the worst of it."""

    def of_all(before: str, after: str) -> ProofResult:
        results = list(map(compare, units, _each(units, before), _each(units, after)))
        worst = max((result.status for result in results), key=_BADNESS.index)
        having = [result for result in results if result.status is worst]
        kept = all(result.kept for result in having) and ProofStatus.DONE not in {
            result.status for result in results
        }
        return ProofResult(worst, ", ".join(result.detail for result in having), kept=kept)

    return of_all


def compare_restart(unit: str, before: str, after: str) -> ProofResult:
    then, now = _properties(before), _properties(after)
    if "ActiveState" not in now or now.get("LoadState") in _UNUSABLE:
        return _unanswered(unit, before, after)
    if _starts_again(now):
        return ProofResult(ProofStatus.FAILED, f"{unit} ended as soon as it had started ({_result(now)})")
    if _changes(now):
        return ProofResult(ProofStatus.WAIT, f"{unit} is {_state(now)}")
    if now["ActiveState"] == "failed":
        return ProofResult(ProofStatus.FAILED, f"{unit} failed ({_result(now)})")
    if now["ActiveState"] == "inactive":
        return ProofResult(ProofStatus.FAILED, f"{unit} is not running ({_result(now)})")
    if now.get("InvocationID", "") in ("", then.get("InvocationID", "")):
        return ProofResult(ProofStatus.FAILED, f"{unit} was not restarted: it is still the same invocation")
    # systemd counts its own restarts; one by hand sets the count to 0, but not from within a crash loop
    if now.get("NRestarts", "0") not in ("0", then.get("NRestarts", "0")):
        return ProofResult(ProofStatus.FAILED, f"{unit} keeps restarting ({now['NRestarts']} times so far)")
    return ProofResult(ProofStatus.DONE, f"{unit} is {_state(now)}{_stale(now)}")


def compare_reload(unit: str, before: str, after: str) -> ProofResult:
    then, now = _properties(before), _properties(after)
    if "ActiveState" not in now or now.get("LoadState") in _UNUSABLE:
        return _unanswered(unit, before, after)
    same = now.get("InvocationID") == then.get("InvocationID")
    if _starts_again(now) or not same:
        return ProofResult(ProofStatus.FAILED, f"{unit} ended on the reload, and was started again")
    if _changes(now):
        return ProofResult(ProofStatus.WAIT, f"{unit} is {_state(now)}")
    if now["ActiveState"] != "active":
        return ProofResult(ProofStatus.FAILED, f"{unit} ended on the reload ({_result(now)})")
    moved = "StateChangeTimestampMonotonic"
    if now.get(moved) == then.get(moved):
        untouched = f"{unit} was not reloaded: nothing has happened to it since"
        return ProofResult(ProofStatus.FAILED, untouched, kept=True)
    if now.get("ReloadResult") != "success":
        failed = f"the reload of {unit} failed (ReloadResult={now.get('ReloadResult', 'unknown')})"
        return ProofResult(ProofStatus.FAILED, f"{failed}: it keeps running as before", kept=True)
    return ProofResult(ProofStatus.DONE, f"{unit} is reloaded, and {_state(now)}{_stale(now)}")


def compare_life(unit: str, proved: str, after: str) -> ProofResult:
    """Whether the unit still lives that ran when its restart was proved."""
    then, now = _properties(proved), _properties(after)
    if "ActiveState" not in now or now.get("LoadState") in _UNUSABLE:
        return _unanswered(unit, proved, after)
    again = _starts_again(now) or now.get("InvocationID") != then.get("InvocationID")
    if again or now["ActiveState"] in ("inactive", "failed"):
        started = ", and systemd starts it again" if again else ""
        ended = f"{unit} ended soon after it had started ({_result(now)}){started}"
        return ProofResult(ProofStatus.FAILED, ended)
    if _changes(now):
        return ProofResult(ProofStatus.WAIT, f"{unit} is {_state(now)}")
    return ProofResult(ProofStatus.DONE, f"{unit} is {_state(now)}")


def none_active(units: Sequence[str], before: str) -> str:
    """Why the units cannot be reloaded: none of them runs. Empty if one does, or if nobody can tell."""
    stopped = [
        _stopped(unit, _properties(shown)) for unit, shown in zip(units, _each(units, before), strict=True)
    ]
    return ", ".join(stopped) if all(stopped) else ""


def under_way(units: Sequence[str], shown: str) -> str:
    """What systemd still does with the units, in words; empty if nothing. It starts a unit that crashes again
    and again: that is no work which ends."""
    doing = (
        _under_way(unit, _properties(of_it)) for unit, of_it in zip(units, _each(units, shown), strict=True)
    )
    return ", ".join(filter(None, doing))


def _stopped(unit: str, now: Mapping[str, str]) -> str:
    down = now.get("ActiveState") in ("inactive", "failed") and not now.get("Job")
    return f"{unit} is {_state(now)}" if down or _starts_again(now) else ""


def _under_way(unit: str, now: Mapping[str, str]) -> str:
    if "ActiveState" not in now or _starts_again(now) or not _changes(now):
        return ""
    return f"{unit} is {_state(now)}, and systemd is still working on it"


def _each(units: Sequence[str], shown: str) -> list[str]:
    """What is shown of each unit: several have a line each. Where it is something else, it holds for all."""
    if len(units) == 1:
        return [shown]
    found = [line.replace(" ", "\n") for line in shown.splitlines() if "ActiveState=" in line]
    return found if len(found) == len(units) else [shown] * len(units)


def _properties(shown: str) -> Mapping[str, str]:
    """The `Name=value` lines of `systemctl show`, by name."""
    pairs = (line.strip().partition("=") for line in shown.splitlines())
    return {name: value for name, separator, value in pairs if separator and name in PROPERTIES}


def _unanswered(unit: str, before: str, after: str) -> ProofResult:
    """The result if systemd has no such unit, if there is no systemd, or if systemd did not answer."""
    unusable = _UNUSABLE.get(_properties(after).get("LoadState", ""))
    if unusable:
        return ProofResult(ProofStatus.FAILED, f"{unit}: {unusable}")
    said = (after.strip().splitlines() or ["systemctl said nothing"])[-1]
    if "systemctl" in said and "not found" in said:
        return ProofResult(ProofStatus.FAILED, "systemctl: not found: this host has no systemd")
    answered_before = "ActiveState" in _properties(before)
    return ProofResult(ProofStatus.WAIT if answered_before else ProofStatus.FAILED, f"{unit}: {said}")


def _starts_again(now: Mapping[str, str]) -> bool:
    """Whether the unit ended by itself, and systemd is about to start it again."""
    return now.get("SubState", "").startswith("auto-restart")


def _changes(now: Mapping[str, str]) -> bool:
    """Whether systemd is still working on the unit. Between its stop and its start a unit can look failed, if
    the old process ended badly."""
    return bool(now.get("Job")) or now["ActiveState"] not in ("active", "inactive", "failed")


def _state(now: Mapping[str, str]) -> str:
    return f"{now['ActiveState']} ({now.get('SubState', '')})"


def _result(now: Mapping[str, str]) -> str:
    return f"Result={now.get('Result', 'unknown')}"


def _stale(now: Mapping[str, str]) -> str:
    if now.get("NeedDaemonReload") != "yes":
        return ""
    return ", from an outdated unit file: systemctl daemon-reload was not run"
