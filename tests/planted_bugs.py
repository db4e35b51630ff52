"""Bugs to plant, one per promise: `python -m tests.planted_bugs` shows that each is caught.

Each bug is one line of the code that is replaced in a copy of this repository, where the test that proves the
promise must then fail, while it passes without the bug. Takes a few minutes; CI does not run it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Bug:
    """One bug: in `file`, below `rollout/`, the text `right`, which stands there once, becomes `wrong`."""

    promise: str
    file: str
    right: str
    wrong: str
    test: str
    """The test that must catch it, below `tests/`, as pytest takes it."""


BUGS = (
    Bug(
        "A node is touched only when nothing runs on it.",
        "domain/haproxy.py",
        "return self.load == 0",
        "return True",
        "engine/test_runtime_drain.py::test_a_running_request_is_waited_for",
    ),
    Bug(
        "A node gets requests only when its application is up.",
        "remote/runtime.py",
        "[drain(server), health_down(server)] if server in checked",
        "[drain(server)] if server in checked",
        "engine/test_runtime_return.py",
    ),
    Bug(
        "A bad release stops at its first node.",
        "engine/deployment.py",
        'self._halt.give_up(f"{name} failed")',
        "pass",
        "engine/test_deployment.py::test_a_failure_halts",
    ),
    Bug(
        "The other nodes can carry the traffic.",
        "decisions/capacity.py",
        "if not leaving or left >= floor:",
        "if True:",
        "engine/test_deployment_capacity.py",
    ),
    Bug(
        "A load balancer may reload or restart at any moment.",
        "engine/rotation/on_one_balancer.py",
        "await self._leaving.maintain(log)\n                case Stage.PROVING:",
        "pass\n                case Stage.PROVING:",
        "engine/test_reload_moments.py",
    ),
    Bug(
        "A release that is worse for users is stopped at its first node.",
        "decisions/judge.py",
        "if worse := _worse(kind, new, others, false_alarms * kind.share, early=early):",
        "if worse := '':",
        "unit/decisions/test_judge.py",
    ),
    Bug(
        "A returning node takes traffic by steps, where that is asked for.",
        "engine/rotation/returning.py",
        "await self._warming.begin(back, log)",
        "pass",
        "engine/test_warmup.py::test_its_share_rises_by_steps",
    ),
    Bug(
        "The journal is the truth.",
        "adapters/journal/database.py",
        "PRAGMA synchronous = FULL",
        "PRAGMA synchronous = OFF",
        "contract/test_journal.py",
    ),
    Bug(
        "One deployment of a service at a time.",
        "remote/place.py",
        "exec 9>>busy && flock -w 5 9 ||",
        "exec 9>>busy ||",
        "contract/places/test_place.py",
    ),
    Bug(
        "Whoever stops a deployment, each node in flight comes to a safe end.",
        "engine/steps/stage.py",
        "Stage.RESTARTED: Ending.STAY_OUT",
        "Stage.RESTARTED: Ending.GIVE_BACK_OR_STAY_OUT",
        "engine/test_interrupted.py",
    ),
    Bug(
        "No verb works beside a command that goes on without its controller.",
        "engine/claim.py",
        "while orphans := await self.make(returning=returning):",
        "while orphans := await self.make(returning=returning) and []:",
        "unit/engine/test_claim.py",
    ),
    Bug(
        "What others set stays set.",
        "engine/rotation/ledger.py",
        "if self._changed:\n            raise _changed_by_others(reading, self._changed, since)",
        "pass",
        "engine/test_changed_by_others.py",
    ),
    Bug(
        "A drain that waits says for whom.",
        "engine/rotation/leaving.py",
        "await clients.describe(busy)",
        '""',
        "engine/test_busy_clients.py",
    ),
    Bug(
        "The value of a variable is not shown.",
        "cli/redaction.py",
        "masked = self._pattern.sub(MASK, text)",
        "masked = text",
        "unit/cli/test_redaction.py",
    ),
    Bug(
        "An unknown or changed host key is refused.",
        "adapters/ssh/host_keys.py",
        "raise self._changed(",
        "return self._changed(",
        "contract/host/test_ssh_host_keys.py",
    ),
)


def main() -> int:
    """The exit code: 0 if all bugs are caught."""
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "rollout"
        tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
        for name in tracked.stdout.splitlines():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
        for bug in BUGS:
            caught, why = plant(copy, bug)
            missed += not caught
            sys.stdout.write(f"{'caught' if caught else 'MISSED'}  {bug.promise}  ({bug.test}: {why})\n")
            sys.stdout.flush()
    return 1 if missed else 0


def plant(copy: Path, bug: Bug) -> tuple[bool, str]:
    """Whether the test passes without the bug and fails with it, and the last line that pytest printed."""
    file = copy / "rollout" / bug.file
    right = file.read_text()
    assert right.count(bug.right) == 1, f"{bug.file} has not exactly one {bug.right!r}"
    status, last = run(copy, bug.test)
    if status != 0:
        return False, f"fails without the bug: {last}"
    file.write_text(right.replace(bug.right, bug.wrong))
    try:
        status, last = run(copy, bug.test)
    finally:
        file.write_text(right)
    return status == 1, last  # 1: tests failed; whatever else went wrong proves nothing


def run(copy: Path, test: str) -> tuple[int, str]:
    """The exit status and the last line of pytest."""
    path, *options = test.split()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/{path}", *options],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    return done.returncode, (done.stdout.strip().splitlines() or [done.stderr.strip()])[-1]


if __name__ == "__main__":
    sys.exit(main())
