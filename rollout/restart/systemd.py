"""`restart.systemd`: a unit. That it really was restarted is proven by its new invocation.

systemd gives every start of a unit an `InvocationID`. A restart is done when the unit is active under
another one than before, whatever the restart command said.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from functools import partial

from rollout.errors import UsageError
from rollout.restart.driver import Fill, Judgement, Proof, Restarting, Verdict

_UNIT = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,254}")
_AS_ROOT = '$([ "$(id -u)" = 0 ] || echo sudo -n)'
_LOADED = (
    "systemctl show {name} -p LoadState --value | grep -qx loaded"
    " || {{ echo there is no usable unit {name}; exit 1; }}"
)
_ALLOWED = '[ "$(id -u)" = 0 ] || sudo -n -l systemctl restart {name} >/dev/null'
_PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "InvocationID",
    "Job",
    "Result",
    "NRestarts",
    "NeedDaemonReload",
)
_UNUSABLE = {
    "not-found": "there is no such unit",
    "masked": "the unit is masked",
    "bad-setting": "the unit file has a bad setting",
    "error": "the unit file cannot be loaded",
}


def restarting(unit: str, timeout: float, _: Fill) -> Restarting:
    """Restart `unit` by systemctl, as root or with `sudo -n`. Raises UsageError if it cannot be a unit."""
    if not _UNIT.fullmatch(unit):
        raise UsageError(
            f"restart.systemd: {unit!r} is not the name of a systemd unit",
            hint="expected a name such as shop.service",
        )
    name = shlex.quote(unit)
    properties = " ".join(f"-p {item}" for item in _PROPERTIES)
    journal = f"journalctl -u {name} -n 20 --no-pager -o cat"
    return Restarting(
        command=f"{_AS_ROOT} systemctl restart {name}",
        timeout=timeout,
        precheck=f"{_LOADED.format(name=name)}; {_ALLOWED.format(name=name)}",
        proof=Proof(
            observe=f"systemctl show {name} {properties}",
            judge=partial(_judge, unit),
            explain=f"systemctl status {name} --no-pager -n 0; {_AS_ROOT} {journal} 2>/dev/null || {journal}",
        ),
    )


def _judge(unit: str, before: str, after: str) -> Judgement:
    now = _properties(after)
    if "ActiveState" not in now:
        return _unanswered(unit, before, after)
    if now.get("LoadState") in _UNUSABLE:
        return Judgement(Verdict.FAILED, f"{unit}: {_UNUSABLE[now['LoadState']]}")
    active, sub = now["ActiveState"], now.get("SubState", "")
    state = f"{active} ({sub})"
    if sub.startswith("auto-restart"):
        return Judgement(Verdict.FAILED, f"{unit} ended as soon as it had started ({_result(now)})")
    if now.get("Job") or active not in ("active", "inactive", "failed"):
        # Between its stop and its start a unit can look failed: an old process that ended badly.
        return Judgement(Verdict.WAIT, f"{unit} is {state}")
    if active == "failed":
        return Judgement(Verdict.FAILED, f"{unit} failed ({_result(now)})")
    if active == "inactive":
        return Judgement(Verdict.FAILED, f"{unit} is not running ({_result(now)})")
    then = _properties(before)
    if now.get("InvocationID", "") in ("", then.get("InvocationID", "")):
        return Judgement(Verdict.FAILED, f"{unit} was not restarted: it is still the invocation of before")
    # systemd counts its own restarts; one by hand sets the count to 0, but not from within a crash loop
    if now.get("NRestarts", "0") not in ("0", then.get("NRestarts", "0")):
        return Judgement(Verdict.FAILED, f"{unit} keeps restarting ({now['NRestarts']} times so far)")
    return Judgement(Verdict.DONE, f"{unit} is {state}{_stale(now)}")


def _properties(shown: str) -> Mapping[str, str]:
    """The `Name=value` lines of `systemctl show`, by name."""
    pairs = (line.strip().partition("=") for line in shown.splitlines())
    return {name: value for name, separator, value in pairs if separator and name in _PROPERTIES}


def _unanswered(unit: str, before: str, after: str) -> Judgement:
    said = (after.strip().splitlines() or ["systemctl said nothing"])[-1]
    if "systemctl" in said and "not found" in said:
        return Judgement(Verdict.FAILED, "systemctl: not found: this host has no systemd")
    answered_before = "ActiveState" in _properties(before)
    return Judgement(Verdict.WAIT if answered_before else Verdict.FAILED, f"{unit}: {said}")


def _result(now: Mapping[str, str]) -> str:
    return f"Result={now.get('Result', 'unknown')}"


def _stale(now: Mapping[str, str]) -> str:
    if now.get("NeedDaemonReload") != "yes":
        return ""
    return ", from an outdated unit file: systemctl daemon-reload was not run"
