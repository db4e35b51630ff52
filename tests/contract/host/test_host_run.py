"""What `Host.run` promises, shown for both hosts: over SSH and on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from rollout.adapters.shell import WRAPPER, script
from rollout.domain import Completed
from rollout.errors import CommandTimedOut, UsageError
from rollout.ports import Host
from tests.support.until import wait

T = TypeVar("T")
Use = Callable[[Callable[[Host], Awaitable[T]]], T]


def run(use: Use[Completed], line: str, **options: object) -> Completed:
    settings: dict[str, object] = {"environment": {}, "timeout": 30.0, **options}
    return use(lambda host: host.run(line, **settings))  # type: ignore[arg-type]


def test_status_and_both_streams_in_order(use: Use[Completed]) -> None:
    """The exit status comes back, and what both streams printed, in the order in which it was printed."""
    lines: list[str] = []
    done = run(use, "echo one; echo two >&2; echo three; exit 7", output=lines.append)
    assert done == Completed(7, ("one", "two", "three"))
    assert lines == ["one", "two", "three"]


def test_environment_arrives_as_it_is(use: Use[Completed]) -> None:
    """A value may hold quotes, line ends and shell syntax: nothing in it is run or changed."""
    value = 'it\'s $(echo run) `echo run` "x" \\ \n second é'
    done = run(use, 'printf %s "$VALUE"', environment={"VALUE": value})
    assert "\n".join(done.tail) == value


def test_impossible_name_of_a_variable_is_refused(use: Use[Completed]) -> None:
    """A name that is shell syntax never reaches a shell."""
    with pytest.raises(UsageError, match="environment variable"):
        run(use, "true", environment={"A=1; touch /tmp/x; B": "1"})


def test_nothing_shows_in_a_process_list(use: Use[Completed]) -> None:
    """Neither the line nor a value of its environment is an argument of any process."""
    seen: list[str] = []
    line = "WORD=sesame; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | fold -w 1000"
    run(use, line, environment={"SECRET": "open-up"}, output=seen.append)
    everything = "".join(seen)
    assert "case $script in" in everything, "the wrapper itself must be there, or the test looked nowhere"
    assert "sesame" not in everything
    assert "open-up" not in everything


def test_standard_input_is_empty(use: Use[Completed]) -> None:
    """A command that reads gets an end of file: it neither hangs nor eats the rest of the line."""
    assert run(use, "cat; echo after").tail == ("after",)


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
def test_lines_of_all_shapes(use: Use[Completed], line: str, tail: tuple[str, ...]) -> None:
    """A line may be many lines, a heredoc, a comment or nothing."""
    done = run(use, line)
    assert done.status == 0
    assert [text for text in done.tail if "here-document" not in text] == list(tail)


def test_syntax_error_is_a_status_and_a_message(use: Use[Completed]) -> None:
    """A line that sh does not understand fails like any other command, and says so."""
    done = run(use, "if true; then (")
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


def test_death_by_signal_is_a_status(use: Use[Completed]) -> None:
    """A shell that is killed has an exit status, as shells count it: 128 and the signal."""
    assert run(use, "kill -KILL $$").status == 137


def test_every_line_is_seen_and_the_last_twenty_are_kept(use: Use[Completed]) -> None:
    """Output is not lost, whatever its length."""
    lines: list[str] = []
    done = run(use, "seq 1 100000", output=lines.append)
    assert lines == [str(number) for number in range(1, 100_001)]
    assert done.tail == tuple(lines[-20:])


@pytest.mark.parametrize(
    "make", ["head -c 150000000 /dev/zero | tr '\\0' x", "yes 0123456789 | head -c 150000000"]
)
def test_endless_output_takes_no_memory(use: Use[Completed], make: str) -> None:
    """A flood of output, even as one single line, is passed on and forgotten."""
    run(use, "true")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = run(use, make, timeout=120.0)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert max(len(line) for line in done.tail) in (4_000, 10)
    assert grown < 40_000, "kB"


def test_slow_reader_slows_the_command(use: Use[Completed]) -> None:
    """While `output` is busy nothing piles up here: what is read is only what was asked for."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = 0

    def slow(_: str) -> None:
        nonlocal count
        count += 1
        if count % 50 == 0:
            time.sleep(0.001)

    run(use, "yes $(printf %0999d 0) | head -n 60000", output=slow, timeout=120.0)
    assert count == 60_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000, "kB"


def test_bytes_that_are_no_text(use: Use[Completed]) -> None:
    """Broken UTF-8 is replaced; characters are never broken by where a block ends."""
    lines: list[str] = []
    assert run(use, r"printf 'a\377b\303'").tail == ("a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}",)
    run(use, "yes éü | head -n 60000", output=lines.append)
    assert set(lines) == {"éü"}


def test_progress_bars(use: Use[Completed]) -> None:
    """A line is what a terminal would show of it in the end."""
    assert run(use, r"printf '10%%\r50%%\r100%%\r\nnext\r\nlast\r'").tail == ("100%", "next", "last")


@pytest.mark.parametrize("background", ["sleep 60", "while echo tick; do sleep 0.05; done"])
def test_background_process_does_not_hold_the_command(use: Use[Completed], background: str) -> None:
    """A command is over when it has ended, even if what it left behind keeps its streams open."""
    lines: list[str] = []
    begun = time.monotonic()
    try:
        assert run(use, f"echo $$; {{ {background}; }} & exit 3", output=lines.append).status == 3
        assert time.monotonic() - begun < 10
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(lines[0]), signal.SIGKILL)


@pytest.mark.parametrize(
    "line", ["sleep 60 & echo $$ $!; wait", "trap '' TERM; sh -c 'sleep 60; sleep 60' & echo $$ $!; wait"]
)
def test_command_that_takes_too_long_is_ended(use: Use[Completed], line: str) -> None:
    """At its timeout a command is ended with all that it started, even if it ignores SIGTERM."""
    lines: list[str] = []
    with pytest.raises(CommandTimedOut, match=r"^web1: .* within 0.5 s"):
        run(use, line, timeout=0.5, output=lines.append)
    assert_gone(lines[0])


def test_cancelling_ends_the_command_and_nothing_else(use: Use[Completed]) -> None:
    """A cancelled command is ended with all that it started; the host can be used as before."""
    lines: list[str] = []

    async def work(host: Host) -> Completed:
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
        return await host.run("echo fine", environment={}, timeout=10.0)

    assert use(work).tail == ("fine",)
    assert_gone(lines[0])


def test_cancelling_at_any_moment_comes_to_an_end(use: Use[object]) -> None:
    """Whatever a host is just doing for a command, the command can be given up."""

    async def work(host: Host) -> None:
        for moment in range(40):
            task = asyncio.create_task(host.run("true", environment={}, timeout=20.0))
            for _ in range(moment):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task], timeout=20)
            assert task.done(), f"after {moment} turns of the loop"

    use(work)


def test_failing_output_ends_the_command(use: Use[Completed]) -> None:
    """If a line cannot be passed on (a full disk under the journal), the error comes out as it is."""
    lines: list[str] = []

    def fail(line: str) -> None:
        lines.append(line)
        raise LookupError("no room")

    with pytest.raises(LookupError, match="no room"):
        run(use, "echo $$; sleep 60", output=fail)
    assert_gone(lines[0])


def test_many_at_once(use: Use[object]) -> None:
    """More commands at once than an sshd takes sessions: they wait for each other."""

    async def work(host: Host) -> list[Completed]:
        lines = [f"sleep 0.05; echo {number}" for number in range(30)]
        return await asyncio.gather(*(host.run(line, environment={}, timeout=30.0) for line in lines))

    assert use(work) == [Completed(0, (str(number),)) for number in range(30)]


def assert_gone(pids: str) -> None:
    wait(lambda: not any(map(runs, pids.split())), f"the end of {pids}", within=5)


def runs(pid: str) -> bool:
    """A zombie has ended; it only waits to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False
