"""One JSON object per line, from which the events can be had again."""

from __future__ import annotations

import dataclasses
import io
import json
from datetime import datetime
from typing import Any

import pytest

from rollout.domain import Step
from rollout.events import KINDS, Event, OutputSeen, Record, from_fields
from rollout.views.jsonlines import JsonView


def written(*records: Record) -> str:
    stream = io.StringIO()
    view = JsonView(stream)
    for record in records:
        view.show(record)
    return stream.getvalue()


def parsed(line: dict[str, Any]) -> Record:
    time = datetime.fromisoformat(line.pop("time")).timestamp()
    deployment, sequence = line.pop("deployment"), line.pop("sequence")
    kind = line.pop("event").title().replace("_", "")
    event = from_fields(kind, line)
    assert event is not None
    return Record(deployment, sequence, time, event)


def test_the_events_come_back(records: list[Record]) -> None:
    """Every line is an object that says all that its record said."""
    lines = written(*records).splitlines()
    assert [parsed(json.loads(line)) for line in lines] == records


def test_what_a_line_looks_like(records: list[Record]) -> None:
    """Time is UTC with milliseconds, the event's name is in snake case, its fields follow."""
    failed = next(record for record in records if type(record.event).__name__ == "StepFailed")
    assert json.loads(written(failed)) == {
        "time": "2023-11-15T12:00:10.200Z",
        "deployment": 17,
        "sequence": 17,
        "event": "step_failed",
        "node": "web2",
        "step": "restart",
        "seconds": 1.2,
        "reason": "exit status 1",
        "hint": "ssh web2 journalctl -u shop",
        "tail": ["starting shop", "ImportError: no module named shop"],
        "unknown": False,
        "changed_by_others": False,
        "fell": False,
    }


def test_control_characters_are_escaped() -> None:
    """What a node prints comes through whole, and as harmless ASCII."""
    text = "\x1b[31m\x7f\x9b\u202e\u2028\n\t[bold] \udcff"
    line = written(Record(17, 1, 0.0, OutputSeen("web1", Step.RESTART, text)))
    assert line.removesuffix("\n").isprintable()
    assert line.isascii()
    assert json.loads(line)["text"] == text


@pytest.mark.parametrize("kind", KINDS.values())
def test_no_field_hides_what_every_line_has(kind: type[Event]) -> None:
    """No event has a field named like the time, deployment, sequence or name of each line."""
    assert not {item.name for item in dataclasses.fields(kind)} & {"time", "deployment", "sequence", "event"}
