"""The phrases and forms that all text for people is made of, on a terminal and in a log alike."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TextIO

from rollout.decisions.progress import NodeProgress, Phase, Progress


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
    """The change of a finished node: `1.4.1 → 1.4.2`, or as much of it as is known."""
    if release is None:
        return "restarted"
    return f"{node.previous_release} → {release}" if node.previous_release else release


def waits_for(detail: str, sessions: int | None) -> str:
    """The state of a running step: what it waits for, and how many sessions are left."""
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


def paused(progress: Progress, reason: str, *, is_answered: bool = False) -> str:
    """`paused: the canary web1 is done; continue with: rollout promote -i prod.yml`, or with Enter, where
    somebody can press it."""
    return printable(f"paused: {reason}; {how_to_continue(progress, is_answered=is_answered)}")


def how_to_continue(progress: Progress, *, is_answered: bool) -> str:
    """`press Enter, or: rollout promote -i prod.yml`."""
    promote = shlex.join(["rollout", "promote", "-i", progress.inventory])
    return f"{'press Enter, or' if is_answered else 'continue with'}: {promote}"


def resumption(progress: Progress, nodes: Sequence[str]) -> str:
    """`shop 1.4.2 continues → 2 of 6 nodes left (deployment 17)`."""
    return printable(
        f"{progress.service} {progress.release or 'restart'} continues → {len(nodes)} of"
        f" {count(progress.total, 'node')} left (deployment {progress.deployment})"
    )


class Lasting:
    """A stream whose reader may go away: from then on, output is dropped.

    A closed pipe or a lost login must not end a deployment halfway, and the journal has it all. A character
    that the stream's encoding lacks is written as an escape.
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
    """A stream of whole lines: each is printable and written at once."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = Lasting(stream)

    def write(self, line: str) -> None:
        """One line, without its line end."""
        self._stream.write(f"{printable(line)}\n")
        self._stream.flush()

    def control(self, marker: str, title: str) -> None:
        """A marker that GitLab takes out of its log, and the title that it shows in its place."""
        self._stream.write(f"\x1b[0K{printable(marker)}\r\x1b[0K{printable(title)}\n")
        self._stream.flush()
