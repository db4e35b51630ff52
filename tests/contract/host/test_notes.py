"""A command whose sender is gone is found on its node, for as long as anything of it runs, and no longer."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from rollout.adapters.local import LocalHost
from rollout.adapters.shell import WRAPPER, script
from rollout.adapters.ssh import SshPool
from rollout.agents import supervisor
from rollout.domain import Completed, Note, Orphan
from rollout.errors import AnswerLost, CommandTimedOut, Superseded
from rollout.ports import Host
from rollout.remote import notes
from rollout.remote.agent import on_node
from tests.support.needs import missing
from tests.support.sshd import Sshd
from tests.support.until import until, until_seen

T = TypeVar("T")
NOTE = Note("shop-1a2b3c4d/web1", "", "alice on laptop", "release", "17")

SENDER = """
import asyncio
from rollout.adapters.local import LocalHost
from rollout.domain import Note
asyncio.run(LocalHost("web1").run({line!r}, environment={{}}, timeout=600, note={note!r}))
"""

FORMS = {
    "as it is": "touch {begun}; sleep {seconds}",
    "in the background": "touch {begun}; sleep {seconds} & wait",
    "in place of its shell": "touch {begun}; exec sleep {seconds}",
    "in a session of its own": "touch {begun}; setsid --wait sleep {seconds}",
    "ignoring signals": "trap '' TERM HUP INT; touch {begun}; sleep {seconds}",
}
"""Ways in which a command may run."""
if os.geteuid() == 0:
    FORMS["as another user"] = "touch {begun}; setpriv --reuid=65534 --clear-groups sleep {seconds}"


async def run(host: Host, line: str, note: Note = NOTE, **options: Any) -> Completed:
    return await host.run(line, **{"environment": {}, "timeout": 20.0, "note": note, **options})


async def look(host: Host, claim: str = "", **more: Any) -> list[Orphan]:
    asked = notes.environment(NOTE.place, claim, "bob on desk", **more)
    done = await host.run(notes.LOOK, environment=asked, timeout=20)
    assert (done.status, notes.unkept(done.tail)) == (0, "")
    return notes.orphans(done.tail)


async def wait_for_its_end(host: Host) -> None:
    async def over() -> bool:
        return not await look(host, "later")

    await until_seen(over, "the end of what was found")


@asynccontextmanager
async def sent(line: str, begun: Path) -> AsyncIterator[None]:
    """A line that made the file `begun`, and whose sender was killed then."""
    sender = await asyncio.create_subprocess_exec(sys.executable, "-c", SENDER.format(line=line, note=NOTE))
    try:
        await until(begun.exists, "the command")
    finally:
        sender.kill()
        await sender.wait()
    yield


@pytest.mark.parametrize("form", FORMS)
async def test_a_command_whose_sender_was_killed(tmp_path: Path, form: str) -> None:
    """It is seen, with who sent it, what it is and what runs of it, until it has ended."""
    host, begun = LocalHost("web1"), tmp_path / "begun"
    async with sent(FORMS[form].format(begun=begun, seconds=1), begun):
        (orphan,) = await look(host, "later")
        assert (orphan.sender, orphan.step, orphan.deployment) == ("alice on laptop", "release", "17")
        assert any("sleep" in process for process in orphan.processes)
        assert (orphan.timeout, orphan.age < 60) == (600, True)
        await wait_for_its_end(host)


async def test_a_connection_that_breaks(sshd: Sshd, tmp_path: Path) -> None:
    """The same where the sender lives and only its connection is gone: sshd ends nothing that it started."""
    begun = tmp_path / "begun"
    async with SshPool() as pool:
        host = pool.host("web1", sshd.target())
        running = asyncio.create_task(run(host, f"touch {begun}; sleep 2"))
        await until(begun.exists, "the command")
        sshd.abandon()
        with pytest.raises(AnswerLost):
            await running
        assert [orphan.step for orphan in await look(host)] == ["release"]
        await wait_for_its_end(host)


async def test_nothing_is_left_of_a_command_that_ended(host: Host, tmp_path: Path) -> None:
    """Whatever it left running on purpose, as a command does that starts the application."""
    started = tmp_path / "started"
    line = f"setsid sh -c 'echo $$ >{started}; exec sleep 60' >/dev/null 2>&1 & nohup sleep 0 2>/dev/null"
    assert (await run(host, line)).status == 0
    await until(started.exists, "the application")
    assert await look(host) == []
    os.kill(int(started.read_text()), signal.SIGTERM)
    assert (await run(host, 'cat "$_ROLLOUT_NOTE" && exit 3')).status == 3
    assert await look(host) == []


async def test_what_left_the_group_of_a_command_that_was_ended(host: Host) -> None:
    """A time-out ends the group of a command; what has left it may go on, and is seen."""
    with pytest.raises(CommandTimedOut):
        await run(host, "setsid --wait sleep 3", timeout=0.5)
    (orphan,) = await look(host)
    assert (orphan.group, [process.split()[1] for process in orphan.detached]) == ((), ["sleep"])
    await wait_for_its_end(host)


async def test_a_command_that_was_ended_in_the_middle(host: Host) -> None:
    """What it began in another program may go on until its time-out is over; who deploys passes over it."""
    await run(host, "kill -KILL $$", timeout=600.0)
    (orphan,) = await look(host, "later")
    assert orphan.processes == ()
    assert await look(host, "later", forgets=True) == []
    assert await look(host) == []


async def test_a_later_claim_keeps_commands_from_beginning(host: Host, tmp_path: Path) -> None:
    """They fail, and say who claimed the node; those of the later claim run."""
    ran = tmp_path / "ran"
    await look(host, "first")
    await run(host, "true", replace(NOTE, claim="first"))
    await look(host, "second")
    with pytest.raises(Superseded, match="bob on desk has taken over this node"):
        await run(host, f"touch {ran}", replace(NOTE, claim="first"))
    assert not ran.exists()
    assert (await run(host, "true", replace(NOTE, claim="second"))).status == 0
    assert await look(host) == []


async def test_a_command_and_a_claim_at_the_same_moment(tmp_path: Path) -> None:
    """Either the command does not begin, or the claim sees it: whoever is first."""
    host = LocalHost("web1")
    outcomes = []
    lead = 0.01  # what the command has before the claim, in seconds: moved towards where the two meet
    while len(outcomes) < 20 or len(set(outcomes)) < 2:
        moment = len(outcomes)
        assert moment < 200, f"it was always {outcomes[0]}"
        await look(host, f"before{moment}")
        ran = tmp_path / f"ran{moment}"
        line = f"touch {ran}; sleep 0.3"
        running = asyncio.create_task(after(-lead, run(host, line, replace(NOTE, claim=f"before{moment}"))))
        seen = await after(lead, look(host, f"after{moment}"))
        await asyncio.wait([running])
        begun = running.exception() is None
        assert begun == ran.exists()
        assert bool(seen) or not begun, moment
        outcomes.append(begun)
        lead += -0.003 if begun else 0.003


async def after(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    await asyncio.sleep(max(0.0, seconds))
    return await work


def only_note(state: Path) -> Path:
    (note,) = state.glob("rollout/commands/shop-1a2b3c4d/web1/*.run")
    return note


@pytest.mark.parametrize("change", ["boot", "start"])
async def test_another_process_is_not_taken_for_it(own_state: Path, tmp_path: Path, change: str) -> None:
    """After a reboot, or once its number was given to another process, nothing of a command runs."""
    host, begun = LocalHost("web1"), tmp_path / "begun"
    async with sent(f"touch {begun}; unset _ROLLOUT_NOTE; exec sleep 2", begun):
        note = only_note(own_state)
        first, rest = note.read_text().split("\n", 1)
        boot, pid, start, *others = first.split()
        if change == "boot":
            boot = "0" * 36
        else:
            start = str(int(start) + 1)
        note.write_text(f"{' '.join([boot, pid, start, *others])}\n{rest}")
        assert [orphan.processes for orphan in await look(host, forgets=True)] == []


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
async def test_every_shell(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_state: Path
) -> None:
    """What is `sh` on the node: a command is noted, seen, ended, and keeps its exit status."""
    (tmp_path / "sh").symlink_to(f"/bin/{shell}")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/sbin:/usr/bin:/bin")
    host, begun = LocalHost("web1"), tmp_path / "begun"
    lines = {
        "exec sh -c 'exit 4'": 4,
        "trap 'echo x' EXIT; exit 5": 5,
        "cat <<END\nopen": 0,
        ") oops": 2,
        "": 0,
        "set -eu; false; true": 1,
    }
    assert {line: (await run(host, line)).status for line in lines} == lines
    assert await look(host) == []
    async with sent(f"touch {begun}; sleep 60", begun):
        (orphan,) = await look(host)
        await host.run(notes.END, environment={"ROLLOUT_ENDED": orphan.note}, timeout=20)
        await look(host, "later", forgets=True)
        assert await look(host) == []


@pytest.mark.parametrize("ignores", ["", "trap '' TERM; "])
async def test_a_command_is_ended_with_all_that_it_started(tmp_path: Path, ignores: str) -> None:
    """By SIGTERM, or by SIGKILL where that is of no use."""
    host, begun = LocalHost("web1"), tmp_path / "begun"
    async with sent(f"{ignores}touch {begun}; sleep 60 & sleep 60", begun):
        (orphan,) = await look(host)
        await host.run(notes.END, environment={"ROLLOUT_ENDED": orphan.note}, timeout=20)
        assert await look(host, forgets=True) == []


async def test_a_program_that_outlives_its_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent's program that finishes what it has begun is waited for, also where its agent gave it up."""
    begun = tmp_path / "begun"
    control = tmp_path / "supervisorctl"
    control.write_text(
        "#!/bin/sh\n"
        'case $1 in status) echo "shop RUNNING   pid 1, uptime 0:01:00" ;; '
        f"restart) touch {begun}; sleep 3 ;; esac\n"
    )
    control.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/sbin:/usr/bin:/bin")
    host = LocalHost("web1")
    line = on_node(
        supervisor.main, supervisor.Options(["shop"], "supervisorctl", None, steady=0.0, timeout=1.0)
    )
    given_up = await run(host, line)
    assert given_up.status == 1
    assert "is still running" in given_up.tail[-1]
    (orphan,) = await look(host, "later")
    assert any("supervisorctl" in process for process in orphan.group)
    await wait_for_its_end(host)


NOWHERE = "for d in /var/tmp /tmp /dev/shm; do mount -t tmpfs -o size=64k none $d || exit; done; "
PLACES = {
    "home cannot be written": (":", "/var/tmp/rollout-0"),
    "others prepared the next": (
        "mkdir /var/tmp/rollout-0; chown 65534 /var/tmp/rollout-0",
        "/tmp/rollout-0",
    ),
    "a link leads elsewhere": (
        "mkdir /tmp/x; for d in /var/tmp /tmp /dev/shm; do ln -s /tmp/x $d/rollout-0; done",
        "root can write neither to",
    ),
    "all disks are full": (
        "for d in /tmp /var/tmp /dev/shm; do head -c 100000 /dev/zero >$d/full; done 2>/dev/null",
        "root can write neither to",
    ),
    "nothing shows processes": ("mount -t tmpfs none /proc", "the machine has no /proc"),
}
"""Accidents of a node, and where its notes are then, or why there are none."""


@pytest.mark.parametrize("accident", PLACES)
def test_where_notes_are_kept(tmp_path: Path, accident: str) -> None:
    """In a folder that nobody else can have prepared. Where there is none, that is said, and commands run."""
    if os.geteuid() != 0:
        missing("needs root, for a file system of its own")
    arrange, expected = PLACES[accident]
    asked = notes.environment(NOTE.place, "first", "bob on desk")
    scripts = [script(notes.LOOK, asked), script(notes.kept('echo "ran ${_ROLLOUT_NOTE-}"', NOTE, 600), {})]
    for number, text in enumerate(scripts):
        (tmp_path / str(number)).write_bytes(text)
    opened = f"exec 5<{tmp_path}/0 6<{tmp_path}/1; {NOWHERE}{arrange}; "
    both = 'sh -c "$1" <&5; sh -c "$1" <&6'
    shown = subprocess.run(
        ["unshare", "--mount", "--propagation=private", "sh", "-c", opened + both, "sh", WRAPPER],
        env={"PATH": os.environ["PATH"], "HOME": "/dev/null"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    (ran,) = [line for line in lines if line.startswith("ran ")]
    if expected.startswith("/"):
        assert ran.startswith(f"ran {expected}/commands/{NOTE.place}/")
        assert notes.unkept(lines) == ""
    else:
        assert ran == "ran "
        assert expected in notes.unkept(lines)
