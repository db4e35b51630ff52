"""Plain lines with the time of day, for logs and for simple terminals."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal, TextIO

from rollout.decisions.fold import advance
from rollout.decisions.progress import Phase, Progress
from rollout.domain import Step
from rollout.events import (
    CommandSent,
    DeploymentFinished,
    DeploymentResumed,
    DeploymentStarted,
    Event,
    Halted,
    HookEnded,
    HookPrinted,
    HookStarted,
    NodeFailed,
    NodeFinished,
    NodeReturned,
    OpinionHeard,
    OutputSeen,
    Paused,
    Progressed,
    Record,
    StepFailed,
    StepFinished,
    StepStarted,
    Warned,
    WentOn,
)
from rollout.views.deployment_words import PAST
from rollout.views.ending import ending, fate
from rollout.views.many import commands
from rollout.views.text import (
    Lines,
    change,
    count,
    duration,
    few,
    headline,
    paused,
    resumption,
    waits_for,
)

TICK = 5.0
"""Seconds between two lines about the same wait, so that a log stays short."""

_REPLIES = {"good": "good", "bad": "bad", "none": "no answer"}
"""The replies to `OpinionHeard`, for people."""

TAIL = 100
"""How many printed lines of a node are remembered, so that a failure does not repeat them."""


Amount = Literal["little", "usual", "all"]
"""How much is shown: what went wrong and the result; what matters to a person; every command, too."""

_LITTLE = (DeploymentStarted, DeploymentResumed, Warned, Halted, Paused, WentOn, StepFailed, NodeFailed)
"""The events that are always shown."""
_OWN_COMMANDS = (Step.PREPARE, Step.RELEASE, Step.RESTART)
"""The steps whose commands come from the inventory. The others send what rollout itself needs."""


class PlainView:
    """Writes a line for each fact that matters to a person."""

    def __init__(
        self,
        stream: TextIO,
        progress: Progress | None = None,
        *,
        amount: Amount = "usual",
        is_answered: bool = False,
    ) -> None:
        """`progress` is where a resumed deployment stands; `is_answered` says whether somebody can press
        Enter."""
        self._lines = Lines(stream)
        self._progress = progress or Progress()
        self._amount = amount
        self._is_answered = is_answered
        self._sums_up = False
        """Whether the last line of a node has its steps, of which each has no line then."""
        self._ticked: dict[tuple[str, bool], float] = {}
        """When a wait of a node was last shown, with or without sessions that are left."""
        self._printed: dict[str, deque[str]] = {}
        self._nodes = self._width = 0
        """How many nodes there are, and the length of the longest name."""

    def show(self, record: Record) -> None:
        # Of printed lines there may be a million, and nothing that is shown here follows from them.
        if not isinstance(record.event, OutputSeen | HookPrinted):
            self._progress = advance(self._progress, record)
        time = datetime.fromtimestamp(record.time).strftime("%H:%M:%S")
        lines = [f"{time} {line}" for line in self._lines_of(record)]
        if isinstance(record.event, DeploymentFinished):
            lines += ["", *ending(self._progress)]
        self._write(record.event, lines if self._is_shown(record.event) else [])

    def _write(self, event: Event, lines: Sequence[str]) -> None:
        """Write the lines of an event."""
        for line in lines:
            self._lines.write(line)

    def _is_shown(self, event: Event) -> bool:
        match event:
            case DeploymentFinished():
                return True
            case StepStarted():
                return self._amount == "all"
            case StepFinished(step=step, detail="") if self._sums_up and step is not Step.PREPARE:
                return False
            case CommandSent(node=node, step=step, target=target):
                own = target == node and step in _OWN_COMMANDS
                return self._amount == "all" or (own and self._amount == "usual")
        return self._amount != "little" or isinstance(event, _LITTLE)

    def _lines_of(self, record: Record) -> Iterator[str]:
        match record.event:
            case DeploymentResumed(nodes=nodes):
                yield resumption(self._progress, nodes)
            case DeploymentStarted():
                yield headline(self._progress)
                if skipped := self._progress.names(Phase.SKIPPED):
                    yield f"{count(len(skipped), 'node')} skipped: {few(skipped)}"
            case StepStarted(node=node, step=step):
                for sessions in (False, True):
                    self._ticked.pop((node, sessions), None)
                self._printed[node] = deque(maxlen=TAIL)
                yield self._of(node, step, "…")
            case CommandSent(node=node, step=step, target=target, line=line):
                prompt = "$" if target == node else f"{target}>"
                for part in line.strip().split("\n"):
                    yield self._of(node, step, f"{prompt} {commands(part)}")
            case OutputSeen(node=node, step=step, text=text):
                self._printed.setdefault(node, deque(maxlen=TAIL)).append(text)
                yield self._of(node, step, f"| {text}")
            case Progressed(node=node, step=step, detail=detail, sessions=sessions):
                wait = (node, bool(sessions))
                if record.time - self._ticked.get(wait, 0.0) >= TICK:
                    self._ticked[wait] = record.time
                    yield self._of(node, step, waits_for(detail, sessions))
            case OpinionHeard(node=node, source=source, reply=reply, reason=reason, shadow=shadow):
                whose = f"{source} (shadow)" if shadow else source
                yield self._of(node, Step.BAKE, f"{whose}: {_REPLIES[reply]}: {reason}")
            case HookStarted(node=node, hook=hook, on=on, line=line):
                prompt = "$" if on == "node" else f"{on}>"
                for part in line.strip().split("\n"):
                    yield self._of(node, hook, f"{prompt} {part}")
            case HookPrinted(node=node, hook=hook, text=text):
                yield self._of(node, hook, f"| {text}")
            case HookEnded(node=node, hook=hook, seconds=seconds, failure=""):
                yield self._of(node, hook, f"done in {duration(seconds)}")
            case StepFinished(node=node, step=step, seconds=seconds, detail=detail):
                more = f" · {detail}" if detail else ""
                yield self._of(node, step, f"done in {duration(seconds)}{more}")
            case StepFailed() as failed:
                yield from self._failed(failed)
            case NodeFinished(node=node, seconds=seconds):
                self._printed.pop(node, None)
                changed = change(self._progress.nodes[node], self._progress.release_of(node))
                steps = self._steps(node) if self._sums_up else ""
                yield self._of(node, "done", f"{changed} in {duration(seconds)}{steps} · {self._done()}")
            case NodeFailed(node=node):
                yield self._of(
                    node, "FAILED", fate(self._progress.nodes[node], balanced=self._progress.balanced)
                )
            case NodeReturned(node=node):
                yield self._of(node, "ready", "was put back by hand and takes traffic again")
            case Warned(node=None, message=message):
                yield f"warning: {message}"
            case Warned(node=str(node), message=message):
                yield self._of(node, "warning", message)
            case Halted(reason=reason):
                yield f"halted, no further node starts: {reason}"
            case Paused(reason=reason):
                yield paused(self._progress, reason, is_answered=self._is_answered)
            case WentOn(reason=reason):
                yield f"continues: {reason}"

    def _failed(self, failed: StepFailed) -> Iterator[str]:
        reason = f"FAILED after {duration(failed.seconds)}: {failed.reason}"
        yield self._of(failed.node, failed.step, reason)
        printed = self._printed.get(failed.node, ())
        for line in failed.tail:
            if line not in printed:
                yield self._of(failed.node, failed.step, f"| {line}")
        if failed.hint:
            yield self._of(failed.node, failed.step, f"hint: {failed.hint}")

    def _of(self, node: str | None, word: str, text: str) -> str:
        if node is None:
            return f"{word}  {text}"
        if len(self._progress.nodes) != self._nodes:
            self._nodes = len(self._progress.nodes)
            self._width = max(map(len, self._progress.nodes), default=0)
        return f"{node:{self._width}}  {word:7}  {text}"

    def _steps(self, node: str) -> str:
        """How long each step of a node took: ` (drained 0.3 s, restarted 1.1 s)`."""
        took = self._progress.nodes[node].step_seconds.items()
        return (
            f" ({', '.join(f'{PAST[step]} {duration(seconds)}' for step, seconds in took)})" if took else ""
        )

    def _done(self) -> str:
        return f"{self._progress.done} of {self._progress.total}"
