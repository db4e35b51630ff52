"""Events as JSON, one object per line."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TextIO

from rollout.events import Event, Record, to_fields
from rollout.views.text import Lines


class JsonView:
    """Writes a JSON object for each event, with its time (ISO 8601, UTC), deployment and sequence."""

    def __init__(self, stream: TextIO) -> None:
        self._lines = Lines(stream)

    def show(self, record: Record) -> None:
        time = datetime.fromtimestamp(record.time, UTC).isoformat(timespec="milliseconds")
        known = {
            "time": time.replace("+00:00", "Z"),
            "deployment": record.deployment,
            "sequence": record.sequence,
            "event": kind(record.event),
        }
        self._lines.write(json.dumps(known | to_fields(record.event)))


def lines_not_shown(lines: int) -> str:
    """The line in place of so many that were dropped, because nobody read them. It is no event of a
    deployment."""
    return json.dumps({"event": "lines_not_shown", "lines": lines}) + "\n"


def kind(event: Event) -> str:
    """The event's kind in JSON: `step_started` for a `StepStarted`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
