"""What `Host.run` promises, shown for both hosts: over SSH and on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from rollout.adapters.shell import WRAPPER, script
from rollout.domain import Completed
from rollout.errors import CommandTimedOut, UsageError
from rollout.ports import Host
from tests.support.until import wait


async def run(host: Host, line: str, **options: object) -> Completed:
    settings: dict[str, object] = {"environment": {}, "timeout": 30.0, **options}
    return await host.run(line, **settings)  # type: ignore[arg-type]


async def test_status_and_both_streams_in_order(host: Host) -> None:
    """The exit status comes back, and what both streams printed, in the order in which it was printed."""
    lines: list[str] = []
    done = await run(host, "echo one; echo two >&2; echo three; exit 7", output=lines.append)
    assert done == Completed(7, ("one", "two", "three"))
    assert lines == ["one", "two", "three"]


async def test_environment_arrives_as_it_is(host: Host) -> None:
    """A value may hold quotes, line ends and shell syntax: nothing in it is run or changed."""
    value = 'it\'s $(echo run) `echo run` "x" \\ \n second é'
    done = await run(host, 'printf %s "$VALUE"', environment={"VALUE": value})
    assert "\n".join(done.tail) == value


async def test_impossible_name_of_a_variable_is_refused(host: Host) -> None:
    """A name that is shell syntax never reaches a shell."""
    with pytest.raises(UsageError, match="environment variable"):
        await run(host, "true", environment={"A=1; touch /tmp/x; B": "1"})


async def test_nothing_shows_in_a_process_list(host: Host) -> None:
    """Neither the line nor a value of its environment is an argument of any process."""
    seen: list[str] = []
    line = "WORD=sesame; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | fold -w 1000"
    await run(host, line, environment={"SECRET": "open-up"}, output=seen.append)
    everything = "".join(seen)
    assert "case $script in" in everything, "the wrapper itself must be there, or the test looked nowhere"
    assert "sesame" not in everything
    assert "open-up" not in everything


async def test_standard_input_is_empty(host: Host) -> None:
    """A command that reads gets an end of file: it neither hangs nor eats the rest of the line."""
    assert (await run(host, "cat; echo after")).tail == ("after",)


@pytest.mark.parametrize(
    ("line", "tail"),
    [
        ("echo a\n", ("a",)),
        ("cat <<END\nhere $((1+1))\nEND", ("here 2",)),
        ("cat <<END\nopen", ("open",)),
        ("# only a comment", ()),
        ("", ()),
        ("echo a \\", ("a",)),
        ("echo a \\\n  b # c", ("a b",)),
        ("for i in 1 2; do\n echo $i\ndone", ("1", "2")),
        ('echo "$0 ${script-unset} $#"', ("sh unset 0",)),
        ("printf 'no end'", ("no end",)),
    ],
)
async def test_lines_of_all_shapes(host: Host, line: str, tail: tuple[str, ...]) -> None:
    """A line may be many lines, a heredoc, a comment or nothing."""
    done = await run(host, line)
    assert done.status == 0
    assert [text for text in done.tail if "here-document" not in text] == list(tail)


async def test_syntax_error_is_a_status_and_a_message(host: Host) -> None:
    """A line that sh does not understand fails like any other command, and says so."""
    done = await run(host, "if true; then (")
    assert done.status == 2
    assert "yntax" in done.tail[0]


def test_half_a_script_is_not_run(tmp_path: Path) -> None:
    """Wherever a connection breaks while a line is on its way, no part of the line is run."""
    witness = tmp_path / "witness"
    whole = script(f"touch {witness}\ntrue", {"A": "1"})
    for end in range(0, len(whole), 3):
        subprocess.run(["sh", "-c", WRAPPER], input=whole[:end], check=True)
        assert not witness.exists(), whole[:end]
    subprocess.run(["sh", "-c", WRAPPER], input=whole, check=True, capture_output=True)
    assert witness.exists()


async def test_death_by_signal_is_a_status(host: Host) -> None:
    """A shell that is killed has an exit status, as shells count it: 128 and the signal."""
    assert (await run(host, "kill -KILL $$")).status == 137


async def test_every_line_is_seen_and_the_last_twenty_are_kept(host: Host) -> None:
    """Output is not lost, whatever its length."""
    lines: list[str] = []
    done = await run(host, "seq 1 100000", output=lines.append)
    assert lines == [str(number) for number in range(1, 100_001)]
    assert done.tail == tuple(lines[-20:])


@pytest.mark.parametrize(
    "make", ["head -c 40000000 /dev/zero | tr '\\0' x", "yes 0123456789 | head -c 40000000"]
)
async def test_endless_output_takes_no_memory(host: Host, make: str) -> None:
    """A flood of output, even as one single line, is passed on and forgotten."""
    await run(host, "true")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = await run(host, make, timeout=120.0)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert max(len(line) for line in done.tail) in (4_000, 10)
    assert grown < 25_000, "kB"


async def test_slow_reader_slows_the_command(host: Host) -> None:
    """While `output` is busy nothing piles up here: what is read is only what was asked for."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = 0

    def slow(_: str) -> None:
        nonlocal count
        count += 1
        if count % 50 == 0:
            time.sleep(0.001)

    await run(host, "yes $(printf %0999d 0) | head -n 60000", output=slow, timeout=120.0)
    assert count == 60_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000, "kB"


async def test_bytes_that_are_no_text(host: Host) -> None:
    """Broken UTF-8 is replaced; characters are never broken by where a block ends."""
    lines: list[str] = []
    assert (await run(host, r"printf 'a\377b\303'")).tail == (
        "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}",
    )
    await run(host, "yes éü | head -n 60000", output=lines.append)
    assert set(lines) == {"éü"}


async def test_progress_bars(host: Host) -> None:
    """A line is what a terminal would show of it in the end."""
    assert (await run(host, r"printf '10%%\r50%%\r100%%\r\nnext\r\nlast\r'")).tail == ("100%", "next", "last")


@pytest.mark.parametrize("background", ["sleep 60", "while echo tick; do sleep 0.05; done"])
async def test_background_process_does_not_hold_the_command(host: Host, background: str) -> None:
    """A command is over when it has ended, even if what it left behind keeps its streams open."""
    lines: list[str] = []
    begun = time.monotonic()
    try:
        assert (await run(host, f"echo $$; {{ {background}; }} & exit 3", output=lines.append)).status == 3
        assert time.monotonic() - begun < 10
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(lines[0]), signal.SIGKILL)


@pytest.mark.parametrize(
    "line", ["sleep 60 & echo $$ $!; wait", "trap '' TERM; sh -c 'sleep 60; sleep 60' & echo $$ $!; wait"]
)
async def test_command_that_takes_too_long_is_ended(host: Host, line: str) -> None:
    """At its timeout a command is ended with all that it started, even if it ignores SIGTERM."""
    lines: list[str] = []
    with pytest.raises(CommandTimedOut, match=r"^web1: .* within 0.5 s"):
        await run(host, line, timeout=0.5, output=lines.append)
    assert_gone(lines[0])


async def test_cancelling_ends_the_command_and_nothing_else(host: Host) -> None:
    """A cancelled command is ended with all that it started; the host can be used as before."""
    lines: list[str] = []
    line = "sleep 60 & echo $$ $!; wait"
    begun = asyncio.Event()

    def note(line: str) -> None:
        lines.append(line)
        begun.set()

    task = asyncio.create_task(host.run(line, environment={}, timeout=60.0, output=note))
    await asyncio.wait_for(begun.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    done = await host.run("echo fine", environment={}, timeout=10.0)
    assert done.tail == ("fine",)
    assert_gone(lines[0])


async def test_cancelling_at_any_moment_comes_to_an_end(host: Host) -> None:
    """Whatever a host is just doing for a command, the command can be given up."""
    for moment in range(40):
        task = asyncio.create_task(host.run("true", environment={}, timeout=20.0))
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=20)
        assert task.done(), f"after {moment} turns of the loop"


async def test_failing_output_ends_the_command(host: Host) -> None:
    """If a line cannot be passed on (a full disk under the journal), the error comes out as it is."""
    lines: list[str] = []

    def fail(line: str) -> None:
        lines.append(line)
        raise LookupError("no room")

    with pytest.raises(LookupError, match="no room"):
        await run(host, "echo $$; sleep 60", output=fail)
    assert_gone(lines[0])


async def test_many_at_once(host: Host) -> None:
    """More commands at once than an sshd takes sessions: they wait for each other."""
    lines = [f"sleep 0.05; echo {number}" for number in range(30)]
    done = await asyncio.gather(*(host.run(line, environment={}, timeout=30.0) for line in lines))
    assert done == [Completed(0, (str(number),)) for number in range(30)]


def assert_gone(pids: str) -> None:
    wait(lambda: not any(map(runs, pids.split())), f"the end of {pids}", within=5)


def runs(pid: str) -> bool:
    """A zombie has ended; it only waits to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False
