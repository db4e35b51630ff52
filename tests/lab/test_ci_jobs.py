"""The job files of the documentation: they deploy from an empty home, and whoever cancels one in the middle
leaves nothing that the next one does not put right."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from lab_support import StartLab
from test_deploy import change_inventory, states

from rollout.lab.lab import Lab
from tests.support.ci_jobs import Job, Make, github, gitlab, jenkins, python
from tests.support.until import until


@dataclass(frozen=True)
class Case:
    """A job that is cancelled."""

    make: Make
    cancel: Callable[[Job], Awaitable[None]]
    step: str
    """The step in which web2 is then."""
    web2: tuple[str, str]
    """The state and the release in which that leaves web2."""
    finishes: bool = False
    """Whether the step ends soon after rollout has heard of it."""
    by_exec: bool = True
    """Whether the job file begins rollout by `exec`, where it does."""
    resumes: bool = False
    """Whether the next job runs what `status` says in its first line, and not the whole job file again."""


CASES = {
    "github": Case(github, Job.cancel_as_github, "release", ("ready", "1")),
    "github-without-exec": Case(
        github, Job.cancel_as_github, "restart", ("maint", "2"), by_exec=False, resumes=True
    ),
    "gitlab": Case(gitlab, Job.cancel_as_gitlab, "release", ("ready", "1")),
    "jenkins": Case(jenkins, Job.cancel_as_jenkins, "restart", ("ready", "2"), finishes=True, resumes=True),
}
DEPLOYS = "rollout deploy "


def new_job(lab: Lab, folder: Path, make: Make) -> Job:
    """A job that deploys release 2, in an empty home and a checkout of its own."""
    home, checkout = folder / "home", folder / "checkout"
    for path in (folder, home, checkout):
        path.mkdir()
    # Keys and known hosts lie where the job puts them, and the state where it lies without a word.
    own = ("state:", "identity_file:", "known_hosts:")
    lines = lab.inventory.read_text().splitlines()
    kept = [line for line in lines if not line.strip().startswith(own)]
    (checkout / "prod.yml").write_text("\n".join(kept))
    given = {
        "SSH_KEY": (lab.home / "ssh/id_ed25519").read_text(),
        "KNOWN_HOSTS": (lab.home / "ssh/known_hosts").read_text(),
        "RELEASE": "2",
    }
    path = f"{python(folder / 'programs')}:{os.environ['PATH']}"
    return make(checkout, {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8"}, given)


@pytest.mark.parametrize("name", CASES)
async def test_a_cancelled_job_is_put_right_by_the_next(
    start_lab: StartLab, tmp_path: Path, name: str
) -> None:
    """In each system, by its own signals: web2 is left as `docs/ci.md` says, and one command does the rest,
    which the first line of `status` names in a fresh home; so does the whole job, when it runs again."""
    case, lab, slow, there = CASES[name], start_lab(nodes=3), tmp_path / "slow", tmp_path / "there"
    slow.touch()
    waits = f"test $ROLLOUT_NODE != web2 || {{ touch {there}; while test -e {slow}; do sleep 0.1; done; }}"
    change_inventory(lab, f"$ROLLOUT_NODE/{case.step}\n", f"$ROLLOUT_NODE/{case.step}; {waits}\n")

    first = new_job(lab, tmp_path / "first", case.make)
    if not case.by_exec:
        first.scripts[-1] = first.scripts[-1].replace("exec ", "")
    running = asyncio.create_task(first.run())
    await until(lambda: there.exists() or running.done(), "the step", within=60)
    assert not running.done(), first.printed
    await case.cancel(first)
    if case.finishes:
        await until(lambda: "SIGTERM: " in first.printed, "the job to hear of it")
        slow.unlink()
    await until(lambda: not first.lives(), "the end of the job")
    assert await running != 0
    slow.unlink(missing_ok=True)
    left = {"web1": ("ready", "2"), "web2": case.web2, "web3": ("ready", "1")}
    await until(lambda: states(lab) == left, "what is left")

    second = new_job(lab, tmp_path / "second", case.make)
    *before, deploys = second.scripts[-1].rstrip().splitlines()
    folder = deploys.strip().partition(DEPLOYS)[0].removeprefix("exec ")
    told = second.checkout / "told"
    ends = f"{folder}$(sed -n '1s/.*; to continue: //p' {told})" if case.resumes else deploys
    second.scripts[-1] = "\n".join([*before, f"{folder}rollout status -i prod.yml > {told}", ends])
    assert await second.run() == 0, second.printed
    assert told.read_text().splitlines()[0].endswith("; to continue: rollout resume -i prod.yml")
    assert states(lab) == dict.fromkeys(("web1", "web2", "web3"), ("ready", "2"))
