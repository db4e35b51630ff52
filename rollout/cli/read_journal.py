"""What the journal knows of a service, for verbs that only look: they work without a journal, too."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from rollout.cli.journal import journal_to_read, last_deployment, node_memories
from rollout.cli.redaction import Redaction
from rollout.decisions.memory import LeftOut, nodes_out
from rollout.decisions.progress import Progress
from rollout.errors import JournalError


@dataclass(frozen=True, slots=True)
class Known:
    """The last deployment of a service, and the nodes that deployments left out, by name."""

    last: Progress | None = None
    out: Mapping[str, LeftOut] = field(default_factory=dict)
    error: str = ""
    """Why the journal could not be read, so that nothing is known; empty if it could."""

    def warn(self) -> None:
        """Say on standard error what is not known, and why."""
        if self.error:
            sys.stderr.write(
                f"rollout: warning: {self.error}\n"
                "rollout: warning: what earlier deployments did, and which nodes are left out, is not known\n"
            )


async def read_journal(service: str, redaction: Redaction) -> Known:
    """What the journal knows. A journal that cannot be read is no error: nothing is known then."""
    try:
        async with journal_to_read(service, redaction) as journal:
            return Known(
                await last_deployment(journal, service), nodes_out(await node_memories(journal, service))
            )
    except JournalError as error:
        return Known(error=redaction.printable(str(error)))
