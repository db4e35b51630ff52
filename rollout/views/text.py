"""How things are written for people, on a terminal and in a log alike."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TextIO

from rollout.decisions.progress import NodeProgress, Phase, Progress
from rollout.domain import Outcome, Step

_COMMANDS = (Step.PREPARE, Step.RELEASE, Step.RESTART)
"""The steps that change something on the node."""


def printable(text: str) -> str:
    """`text` as one line that no terminal takes for an instruction: whatever does not show (control
    characters, bidirectional overrides, broken encoding) is written as `\\x1b`, and tabs as spaces."""
    text = text.expandtabs()
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def duration(seconds: float) -> str:
    """`0.3 s`, `12 s`, `1 min 5 s`, `2 h 10 min`."""
    tenths = max(0.0, round(seconds, 1))
    if tenths < 10:
        return f"{tenths:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    large, small, units = (minutes, rest, "min s") if minutes < 60 else (*divmod(minutes, 60), "h min")
    unit, smaller = units.split()
    return f"{large} {unit} {small} {smaller}" if small else f"{large} {unit}"


def count(number: int, noun: str) -> str:
    """`1 node`, `6 nodes`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def pace(window: int) -> str:
    """`one at a time`, `3 at a time`."""
    return "one at a time" if window == 1 else f"{window} at a time"


def few(names: Sequence[str]) -> str:
    """The names, or the first and the last of more than eight."""
    return " ".join(names) if len(names) <= 8 else f"{names[0]} … {names[-1]}"


def change(node: NodeProgress, release: str | None) -> str:
    """`1.4.1 → 1.4.2` of a node that is done, or as much of it as is known."""
    if release is None:
        return "restarted"
    return f"{node.previous_release} → {release}" if node.previous_release else release


def waits_for(detail: str, sessions: int | None) -> str:
    """What a running step waits for."""
    left = [] if not sessions else [f"{count(sessions, 'session')} left"]
    return " · ".join([detail, *left] if detail else left)


def headline(progress: Progress) -> str:
    """`shop 1.4.2 → 6 nodes behind lb1, lb2 · one at a time, canary web1 (deployment 17)`."""
    nodes = [node.name for node in progress.nodes.values() if node.phase is not Phase.SKIPPED]
    behind = f" behind {', '.join(progress.load_balancers)}" if progress.load_balancers else ""
    canary = f", canary {few(nodes[: progress.canary])}" if progress.canary else ""
    sizes = f", in waves of {', '.join(map(str, progress.waves))}" if len(progress.waves) > 2 else ""
    back = f" · rollback of deployment {progress.rollback_of}" if progress.rollback_of else ""
    return printable(
        f"{progress.service} {progress.release or 'restart'} → {count(len(nodes), 'node')}{behind}"
        f" · {pace(progress.window)}{canary}{sizes}{back} (deployment {progress.deployment})"
    )


def paused(progress: Progress, reason: str) -> str:
    """Why no further node starts for now, and who may change that."""
    promote = shlex.join(["rollout", "promote", "-i", progress.inventory])
    return printable(f"paused: {reason}; to go on: {promote}")


def resumption(progress: Progress, nodes: Sequence[str]) -> str:
    """`shop 1.4.2 goes on → 2 nodes left of 6 (deployment 17)`."""
    return printable(
        f"{progress.service} {progress.release or 'restart'} goes on → {count(len(nodes), 'node')} left"
        f" of {progress.total} (deployment {progress.deployment})"
    )


def ending(progress: Progress) -> list[str]:
    """What a person reads last: how it went, what failed and why, and what to run next."""
    return [printable(line) for line in (*_summary(progress), *_failures(progress), *_next(progress))]


def _summary(progress: Progress) -> Iterator[str]:
    what = f"{progress.service} {progress.release or 'restart'}"
    took = duration(progress.seconds or 0.0)
    reason = f": {progress.reason}" if progress.reason else ""
    match progress.outcome:
        case Outcome.DONE:
            yield f"{what} done on {progress.done} of {count(progress.total, 'node')} in {took}{reason}"
        case Outcome.INTERRUPTED:
            yield f"{what} was interrupted after {took}{reason}"
        case _:
            yield f"{what} failed after {took}{reason}"
    groups = {
        "done": Phase.DONE,
        "failed": Phase.FAILED,
        "unfinished": Phase.RUNNING,
        "untouched": Phase.WAITING,
        "skipped": Phase.SKIPPED,
    }
    if progress.done < len(progress.nodes):
        for word, phase in groups.items():
            if names := progress.names(phase):
                yield f"  {len(names)} {word}: {few(names)}"
    yield from _users(progress)


def _users(progress: Progress) -> Iterator[str]:
    """What users saw."""
    if served := [seen for seen in progress.served if seen.requests]:
        asked, failed = sum(seen.requests for seen in served), sum(seen.errors for seen in served)
        each = "".join(f" · {seen.release}: {seen.errors:,} of {seen.requests:,}" for seen in served)
        yield f"  users saw {count(failed, 'error')} in {asked:,} requests{each}"
    if probed := progress.probed:
        yield (
            f"  the probe saw {count(probed.failed, 'failure')} in {probed.asked:,} requests"
            f" · {probed.median:.0f} ms in the middle, {probed.longest:.0f} ms at most"
        )


def _failures(progress: Progress) -> Iterator[str]:
    for node in progress.nodes.values():
        if node.phase is Phase.RUNNING:
            yield ""
            yield f"{node.name} was interrupted at {node.step}"
            known = node if node.name in progress.in_doubt else replace(node, left_out=False)
            yield f"  {fate(known, balanced=progress.balanced)}"
        if node.phase is not Phase.FAILED:
            continue
        yield ""
        if failure := node.failure:
            yield f"{node.name} failed at {failure.step} after {duration(failure.seconds)}: {failure.reason}"
            yield from (f"  | {line}" for line in failure.tail)
            if failure.unknown and failure.step in _COMMANDS:
                yield f"  whether {failure.step} worked is unknown: its answer never came"
        else:
            yield f"{node.name} failed"
        yield f"  {fate(node, balanced=progress.balanced)}"
        if failure and failure.hint:
            yield f"  hint: {failure.hint}"


def fate(node: NodeProgress, *, balanced: bool) -> str:
    """What became of a node that failed. `balanced` says that load balancers send it requests."""
    if not balanced:
        return "no load balancer could take it out: it runs as it is now" if node.touched else "untouched"
    others = node.failure is not None and node.failure.changed_by_others
    if node.left_out is None:
        return "it may take no traffic"
    if node.left_out:
        return "left out, but for what somebody else set" if others else "left out: it takes no traffic"
    if others:
        return "it is as somebody else set it"
    match node.step:
        case Step.BAKE:
            return "it takes traffic, as it is now"
        case Step.RELEASE | Step.RESTART:
            return "it takes traffic as before, not restarted"
    return "it takes traffic as before, untouched"


def _next(progress: Progress) -> Iterator[str]:
    if progress.outcome is Outcome.DONE and not progress.failed:
        return
    if progress.to_be_rolled_back:
        yield ""
        yield f"rolled back now: {few(progress.touched)}"
        return
    commands = [(shlex.join(["rollout", "status", "-i", progress.inventory]), "where every node stands")]
    commands.append((shlex.join(["rollout", "resume", "-i", progress.inventory]), "go on where it stopped"))
    if out := progress.maybe_out:
        restore = shlex.join(["rollout", "restore", "-i", progress.inventory])
        commands.append((restore, f"put {few(out)} back as it was, if it is healthy"))
    if progress.touched and progress.release is not None and progress.rollback_of is None:
        rollback = shlex.join(["rollout", "rollback", "-i", progress.inventory])
        commands.append((rollback, f"put the old release back on {few(progress.touched)}"))
    width = max(len(command) for command, _ in commands)
    yield ""
    yield "what to run next, or deploy again once it is mended:"
    for command, purpose in commands:
        yield f"  {command:{width}}  # {purpose}"


class Lasting:
    """A stream whose reader may go away: what is written then is dropped.

    A closed pipe or a lost login must not end a deployment halfway, and the journal has it all. What the
    stream's encoding lacks is written as an escape.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding = stream.encoding or "utf-8"

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text.encode(self._encoding, "backslashreplace").decode(self._encoding))
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Lines:
    """Writes whole lines to a stream, each at once, and nothing but what `printable` lets through."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = Lasting(stream)

    def write(self, line: str) -> None:
        """One line, without its line end."""
        self._stream.write(f"{printable(line)}\n")
        self._stream.flush()
