"""`restart.command`: shell lines of the inventory.

A line alone proves nothing but its exit status. With a `proof` beside it, what that prints before and after
tells whether the application was restarted: it names what runs, a line each. Each line must be another one,
since a line that is left names something that runs the old release.
"""

from __future__ import annotations

from collections.abc import Collection

from rollout.agents.common.talk import NotRunning, NotThere
from rollout.inventory.command import Command
from rollout.inventory.template import Fill
from rollout.restart.driver import Proof, ProofResult, ProofStatus, RestartPlan

_RUNS = "runs: "
"""The beginning of each line that a proof has printed. What it says on standard error has none."""
_OBSERVE = f"""\
seen=$(
{{proof}}
)
[ $? != 0 ] || printf '%s\\n' "$seen" | sed -n 's/^./{_RUNS}&/p'"""
_CHECK = """\
status=0
said=$({{
{check}
}} 2>&1) || status=$?
[ $status != 0 ] || said=
"""
_MUST_RUN = f"""\
seen=$({{{{
{{proof}}
}}}} 2>/dev/null) && [ -n "$seen" ] || {{{{
    [ $status = {NotThere.exit_status} ] || status={NotRunning.exit_status}
    said=${{{{said:-nothing runs that restart.command.proof would show}}}}
}}}}
"""
_SAY = """\
[ $status = 0 ] || printf '%s\\n' "${said:-restart.command.check exited with $status}"
exit $status"""
_SHOWN = 3
"""Lines of a proof that are shown at most."""


def plan_restart(settings: Command | str, timeout: float, _: Fill) -> RestartPlan:
    """The plan of the restart. What does not run is started by `restart.start`, else by the line itself."""
    if isinstance(settings, str):
        return RestartPlan(timeout=timeout, command=settings)
    precheck = _precheck(settings)
    return RestartPlan(
        timeout=timeout,
        command=settings.restart,
        shown=settings.restart,
        proof=_proof(settings),
        explain=settings.explain,
        precheck=precheck,
        looks_again=precheck is not None,
        start=precheck and settings.restart,
    )


def _proof(settings: Command) -> Proof | None:
    if settings.proof is None:
        return None
    return Proof(observe=_OBSERVE.format(proof=settings.proof), compare=compare, compare_life=compare_life)


def _precheck(settings: Command) -> str | None:
    """The inventory's check; where nothing runs that the proof would show, the application does not run."""
    if settings.check is None and settings.proof is None:
        return None
    check = _CHECK.format(check=settings.check or "true")
    must_run = "" if settings.proof is None else _MUST_RUN.format(proof=settings.proof)
    return check + must_run + _SAY


def compare(before: str, after: str) -> ProofResult:
    """Whether nothing is left of what ran before, and something runs."""
    then, now = _running(before), _running(after)
    if not now:
        return ProofResult(ProofStatus.WAIT, "nothing runs that restart.command.proof would show")
    if left := [line for line in now if line in then]:
        is_untouched = set(now) == set(then)
        return ProofResult(ProofStatus.WAIT, f"{_listed(left)}, as before the restart", kept=is_untouched)
    return ProofResult(
        ProofStatus.DONE, f"{_listed(now)} in place of {_listed(then)}" if then else _listed(now)
    )


def compare_life(proved: str, now: str) -> ProofResult:
    """Whether what was started still lives. Others may come beside it; where some of it gave way to others,
    as workers do that are replaced one by one, these must live in turn."""
    started, running = _running(proved), _running(now)
    if set(started) <= set(running):
        return ProofResult(ProofStatus.DONE, f"{_listed(started)} still")
    if _words(started) & _words(running):
        changes = f"{_listed(running)} in place of {_listed(started)}: it still changes"
        return ProofResult(ProofStatus.WAIT, changes, anew=True)
    since = f"now {_listed(running)}" if running else "now nothing runs"
    return ProofResult(
        ProofStatus.FAILED, f"what the restart had started has ended ({_listed(started)}; {since})"
    )


def _running(printed: str) -> list[str]:
    return [line.removeprefix(_RUNS) for line in printed.splitlines() if line.startswith(_RUNS)]


def _words(lines: Collection[str]) -> set[str]:
    return {word for line in lines for word in line.split()}


def _listed(lines: Collection[str]) -> str:
    """`12, 13 and 14 run`, or how many there are."""
    shown = [*lines][:_SHOWN]
    more = len(lines) - len(shown)
    return f"{', '.join(shown)}{f' and {more} more' if more else ''}"
