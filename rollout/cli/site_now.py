"""A service as it is now: what its machines show, and what is known of its deployments."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from rollout.cli.read_journal import Known
from rollout.cli.redaction import Redaction
from rollout.decisions.memory import LeftOut
from rollout.decisions.node_state import SiteStatus
from rollout.decisions.rejoined import Rejoined, rejoined
from rollout.decisions.site_code import site_code
from rollout.inventory import Inventory
from rollout.views.next_commands import command_line
from rollout.views.seen import Seen
from rollout.views.status import (
    advice,
    contradictions,
    deployment_line,
    document,
    headline,
    left_out_lines,
    table,
    unreachable,
)


@dataclass(frozen=True)  # it caches what follows from its fields
class SiteNow:
    """One look at a service."""

    inventory: Inventory
    status: SiteStatus
    known: Known

    @property
    def state(self) -> str:
        """The last deployment's: `running`, `interrupted`, or its outcome; empty if there was none."""
        last = self.known.last
        if last is None:
            return ""
        if last.outcome is not None:
            return last.outcome.value
        return "running" if self.known.running else "interrupted"

    @cached_property
    def left_out(self) -> Mapping[str, LeftOut]:
        """The nodes that deployments left out. While one runs, its own nodes are in its hands."""
        running = self.known.last.deployment if self.known.last and self.state == "running" else None
        return {
            name: out
            for name, out in self.known.out.items()
            if name in self.inventory.nodes and out.deployment != running
        }

    @cached_property
    def back(self) -> list[Rejoined]:
        """Those of them that take traffic all the same."""
        return rejoined(self.left_out, self.status)

    @property
    def code(self) -> int:
        """The exit code that says how the service is."""
        return site_code(
            self.status,
            deploying=self.state == "running",
            unfinished=self.state == "interrupted",
            unknown=bool(self.known.error),
            left_out=[*self.left_out],
        )

    def line(self, now: float) -> str:
        """The line about the last deployment; `now` is Unix time."""
        if self.known.error:
            return ""
        line = deployment_line(self.known.last, self.state, now, self.left_out, self.back)
        if self.state == "interrupted":
            # Whoever comes after a job that was killed must not have to read on.
            line += f"; to continue: {command_line('resume', str(self.inventory.path))}"
        return line

    def seen(self, redaction: Redaction) -> Seen:
        """For a table that is redrawn."""
        path, last = str(self.inventory.path), self.known.last
        notes = [
            *contradictions(self.back, path),
            *unreachable(self.status),
            *([self.known.error] if self.known.error else []),
            *left_out_lines(self.left_out),
            *([] if self.state == "running" else advice(last, self.state, path, self.left_out)),
        ]
        title = headline(self.inventory.service, self.line(time.time()))
        running = last if self.state == "running" else None
        return Seen(redaction.printable(title), self.status, running, [*map(redaction.printable, notes)])

    def text(self, redaction: Redaction, *, quiet: bool) -> str:
        """For people; `quiet` leaves out what each node and server shows."""
        service, path, last = self.inventory.service, str(self.inventory.path), self.known.last
        line = self.line(time.time())
        lines = [
            *contradictions(self.back, path),
            *(
                [headline(service, line), *unreachable(self.status)]
                if quiet
                else table(service, self.status, line, last)
            ),
            *left_out_lines(self.left_out),
            *advice(last, self.state, path, self.left_out),
        ]
        return "\n".join(map(redaction.printable, lines))

    def json(self, redaction: Redaction) -> str:
        """For programs."""
        whole = document(
            self.inventory.service, self.status, self.known.last, self.state, self.left_out, self.back
        )
        return json.dumps({**redaction.value(whole), "journal_error": self.known.error or None})
