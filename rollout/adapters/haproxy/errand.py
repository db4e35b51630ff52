"""An errand: commands to HAProxy, and the question after them, in one exchange where one line holds both."""

from __future__ import annotations

from collections.abc import Sequence

from rollout.adapters.haproxy.console import Console, lines
from rollout.adapters.haproxy.replies import require_success
from rollout.errors import CommandRejected


class Errand:
    """Commands that are sent with the first question that follows them.

    All are sent. One that HAProxy rejects does not hold up the others, on whatever line they are.
    """

    def __init__(self, console: Console, commands: Sequence[str]) -> None:
        self._console = console
        self._left = [*lines(commands)]
        """The lines of commands that have yet to be sent."""
        self._rejections: list[CommandRejected] = []

    async def ask(self, question: str) -> str:
        """Send what is left of the commands, then the question, which begins with `show info`. Returns its
        answer."""
        while self._left:
            line = self._left[0]
            if len(self._left) > 1 or not self._console.holds(line, question):
                self._judge(line, await self._console.ask(line))
            else:
                confirmed, answer = _apart(await self._console.ask(f"{line};{question}"))
                self._judge(line, confirmed)
                return answer
        return await self._console.ask(question)

    def require_success(self) -> None:
        """Raise the first CommandRejected, if there was one."""
        if self._rejections:
            raise self._rejections[0]

    def _judge(self, line: str, reply: str) -> None:
        self._left.remove(line)
        try:
            require_success(self._console.load_balancer, line, reply)
        except CommandRejected as error:
            self._rejections.append(error)


def _apart(reply: str) -> tuple[str, str]:
    """The reply to the commands, and that to the question."""
    confirmed, info, answer = f"\n{reply}".partition("\nName: ")
    return f"{confirmed[1:]}\n", f"{info[1:]}{answer}"
