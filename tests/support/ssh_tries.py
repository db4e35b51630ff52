"""Tries a group of cases by `ssh` and by rollout. It prints what came of each, as a line of JSON.

`python -m tests.support.ssh_tries FOLDER GROUP` runs in the namespace of `ssh_lab.inside`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rollout.adapters.ssh import SshPool
from rollout.adapters.ssh.config import resolve
from rollout.adapters.ssh.no_connection import NoConnection
from rollout.domain import SshTarget
from rollout.errors import HostError
from tests.support.ssh_cases import GROUPS, Case
from tests.support.ssh_lab import SshLab

REPORT = (
    'echo "as $(id -un) from ${SSH_CONNECTION%% *} at ${SSH_CONNECTION#* * }"; cat "$SSH_USER_AUTH"; '
    'env | grep ^PARITY | sort; if [ -n "$SSH_AUTH_SOCK" ]; then ssh-add -l; fi'
)
"""What a command on the node sees: who came, from where, by which key and with what."""


@dataclass(frozen=True)
class Seen:
    """What came of one try."""

    done: bool
    said: str
    """The report of the node, or the error."""
    users: list[str]
    """Who asked the node to be let in."""
    jumps: int
    """Logins on the jump host."""


def by_ssh(target: SshTarget) -> tuple[bool, str]:
    """What `ssh` prints when it runs the report on the node."""
    words = ["ssh", "-T", "-o", "BatchMode=yes", *_own(target), target.host, REPORT]
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode != 255, done.stdout if done.returncode != 255 else done.stderr


def by_rollout(target: SshTarget) -> tuple[bool, str]:
    """What rollout has for it."""

    async def work() -> str:
        async with SshPool(5.0) as pool:
            done = await pool.host("web1", target).run(REPORT, environment={}, timeout=20.0)
            return "".join(f"{line}\n" for line in done.tail)

    try:
        return True, asyncio.run(work())
    except HostError as error:
        return False, f"{error}"


def resolved_by_ssh(target: SshTarget) -> tuple[bool, str]:
    """Where `ssh` would go."""
    words = ["ssh", "-T", "-G", *_own(target), target.host]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
    return done.returncode == 0, f"{said.get('user')}@{said.get('hostname')}:{said.get('port')}"


def resolved_by_rollout(target: SshTarget) -> tuple[bool, str]:
    """Where rollout would go."""
    try:
        settings = resolve(target)
    except NoConnection as error:
        return False, f"{error}"
    return True, f"{settings.user}@{settings.address}"


def attempt(lab: SshLab, case: Case, way: Callable[[SshTarget], tuple[bool, str]]) -> Seen:
    """What comes of a case, by one way."""
    environment = lab.arrange(case)
    given = {name: str(value).format_map(lab.names()) for name, value in case.target.items()}
    port = given.pop("port", None)
    target = SshTarget(case.host, port=int(port) if port else None, **given)
    node, jumps = len(lab.node.log), _jumps(lab)
    with variables(environment):
        done, said = way(target)
    asked = re.findall(r"(?:for|invalid user) (?:invalid user )?(\S+) from", lab.node.log[node:])
    return Seen(done, said, sorted(set(asked)), _jumps(lab) - jumps)


def _own(target: SshTarget) -> list[str]:
    own = [("-l", target.user), ("-p", target.port), ("-J", target.jump)]
    return [str(word) for option in own if option[1] for word in option]


def _jumps(lab: SshLab) -> int:
    return sum(server.log.count("Accepted publickey") for server in (lab.jump, lab.inner))


@contextmanager
def variables(environment: dict[str, str]) -> Iterator[None]:
    os.environ.update(environment)
    try:
        yield
    finally:
        for name in environment:
            del os.environ[name]


def main(folder: Path, group: str) -> None:
    for name in ("SSH_AUTH_SOCK", "DISPLAY"):
        os.environ.pop(name, None)
    lab = SshLab(folder)
    connect = group != "sections"
    ways = (by_ssh, by_rollout) if connect else (resolved_by_ssh, resolved_by_rollout)
    with ExitStack() as running:
        if connect:
            lab.start(running)
        for case in GROUPS[group]:
            # where rollout refuses on purpose, what `ssh` does is of no interest
            seen = [asdict(attempt(lab, case, way)) for way in ways[case.refused is not None :]]
            told = [case.refused.format_map(lab.names())] if case.refused else []
            sys.stdout.write(json.dumps([case.name, *seen[:-1], *told, seen[-1]]) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
