"""Opinions on a release: Prometheus or a command is asked again and again. Replies in, a verdict out.

No answer is neither good nor bad. It is asked for again, and only when that does not help is the release
undecided.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace
from enum import StrEnum, auto

from rollout.domain import Completed, Verdict

UNANSWERED = 5
"""Questions without an answer, in a row, after which there is no point in asking again."""

_CANNOT_TELL = 75
"""Exit status of a command that cannot tell now: the `EX_TEMPFAIL` of sysexits.h."""
_WORST = 125
"""The largest exit status that is a command's own. Above it, a shell says that something went wrong."""
_NO_ANSWER = {
    _CANNOT_TELL: "it cannot tell now",
    126: "it could not be executed",
    127: "it was not found",
}


class Kind(StrEnum):
    """The kinds of replies."""

    GOOD = auto()
    BAD = auto()
    NONE = auto()
    """No answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, and why it is of its kind."""

    kind: Kind
    reason: str = ""
    tail: tuple[str, ...] = ()
    """The last lines that a command printed, oldest first."""


@dataclass(frozen=True, slots=True)
class Replies:
    """All replies so far."""

    last: Reply | None = None
    bad: int = 0
    """Bad replies in a row; those that are no answer stand in between and do not count."""
    unanswered: int = 0
    """Questions in a row that got no answer."""

    def after(self, reply: Reply) -> Replies:
        """All replies, with one more."""
        match reply.kind:
            case Kind.GOOD:
                return Replies(reply)
            case Kind.BAD:
                return Replies(reply, self.bad + 1)
            case Kind.NONE:
                return replace(self, last=reply, unanswered=self.unanswered + 1)

    @property
    def reason(self) -> str:
        """Why the last reply was good, bad or none."""
        return self.last.reason if self.last else "it was not asked"

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines that the command printed which replied last."""
        return self.last.tail if self.last else ()

    def verdict(self, bad: int, *, baked: bool) -> Verdict | None:
        """The verdict; `None` if it takes another reply. `bad` replies in a row make the release a bad one.

        Only a reply that was asked for after the whole bake makes it a good one.
        """
        if self.bad >= bad:
            return Verdict.FAIL
        if not baked:
            return None
        if self.last and self.last.kind is Kind.GOOD:
            return Verdict.PASS
        return Verdict.UNDECIDED if self.unanswered >= UNANSWERED else None


def of_command(line: str, completed: Completed) -> Reply:
    """The reply of a command that ended."""
    status = completed.status
    ended = f"`{line}` exited with {status}"
    if status == 0:
        return Reply(Kind.GOOD, ended, completed.tail)
    if status <= _WORST and status not in _NO_ANSWER:
        return Reply(Kind.BAD, ended, completed.tail)
    why = _NO_ANSWER.get(status) or _signal(status - 128)
    return Reply(Kind.NONE, f"{ended}: {why}" if why else ended, completed.tail)


def _signal(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} ended it"
    except ValueError:
        return ""
