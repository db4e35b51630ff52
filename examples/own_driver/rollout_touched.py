"""An application that starts anew when a file is touched, as Passenger's do"""

from __future__ import annotations

import shlex

from pydantic import Field

from rollout.drivers import (
    AbsolutePath,
    Fill,
    Proof,
    ProofResult,
    ProofStatus,
    RestartPlan,
    Section,
)

LEAVES_A_GAP = False


class Settings(Section):
    """The file that is touched, and the one that tells which process runs."""

    file: AbsolutePath = Field(description="The file to touch, such as /srv/shop/tmp/restart.txt")
    pidfile: AbsolutePath = Field(description="The file that the application writes its process id to")


def plan_restart(settings: Settings, timeout: float, fill: Fill) -> RestartPlan:
    file, pidfile = (shlex.quote(fill(path)) for path in (settings.file, settings.pidfile))
    return RestartPlan(
        timeout=timeout,
        command=f"touch {file}",
        shown=f"touch {file}, until another process is in {pidfile}",
        precheck=f"[ -w {file} ] || {{ echo {file} is not there, or not writable; exit 1; }}",
        proof=Proof(observe=f"cat {pidfile}", compare=compare, compare_life=compare_life),
    )


def compare(before: str, after: str) -> ProofResult:
    """Whether another process runs than before."""
    if after and after != before:
        return ProofResult(ProofStatus.DONE, f"process {after} in place of {before}")
    return ProofResult(ProofStatus.WAIT, f"process {before} still runs")


def compare_life(proved: str, now: str) -> ProofResult:
    """Whether that process still runs."""
    if proved == now:
        return ProofResult(ProofStatus.DONE, f"process {proved} lives")
    return ProofResult(ProofStatus.FAILED, f"process {proved} has ended")
