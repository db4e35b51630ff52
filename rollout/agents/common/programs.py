"""Running programs of the node to their end, as the current user or with sudo."""

from __future__ import annotations

import os
import subprocess
import tempfile
from typing import List, NamedTuple, Optional

from rollout.agents.common import note
from rollout.agents.common.talk import Failed


class NotStarted(Failed):
    """There is no such program, or we may not execute it."""


class Ended(NamedTuple):
    """The end of a program. `output` is that of both streams."""

    status: int
    output: str

    @property
    def last(self) -> str:
        """The last line of the output, which says why the program failed."""
        lines = self.output.split("\n") if self.output else []
        return lines[-1] if lines else f"exit status {self.status}"


def ways(program: str) -> List[List[str]]:
    """The words that may begin a command: the program itself, and for users other than root also
    `sudo -n`."""
    return [[program]] if os.geteuid() == 0 else [[program], ["sudo", "-n", program]]


def run(words: List[str], timeout: Optional[float] = None) -> Ended:
    """Run a program to its end. Raises NotStarted; Failed if it is still running after `timeout` seconds.

    Neither the time-out nor the agent's own end stops it: it finishes what it has begun, and its note stays
    on the node.
    """
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        except FileNotFoundError:
            raise NotStarted(f"{words[0]}: not found on this machine") from None
        except PermissionError as error:
            raise NotStarted(f"{words[0]}: {error.strerror}") from None
        its_note = note.keep(process.pid)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failed(f"`{' '.join(words)}` did not end in time, and is still running") from None
        note.remove(its_note)
        output.seek(0)
        return Ended(status, output.read().decode(errors="replace").strip())
