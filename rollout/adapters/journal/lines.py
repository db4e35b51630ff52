"""Facts, summaries and memories as lines of JSON, as they lie at the place where deployers meet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rollout.errors import PlaceError
from rollout.events import Record, from_fields, to_fields
from rollout.ports import Document

_FORMAT = 1
"""The format of these lines. A newer rollout raises it when older ones must not read on."""


def fact_line(record: Record) -> str:
    """A record as a line."""
    kind, fields = type(record.event).__name__, to_fields(record.event)
    return json.dumps(
        {
            "format": _FORMAT,
            "sequence": record.sequence,
            "time": record.time,
            "epoch": record.epoch,
            "kind": kind,
            "fields": fields,
        }
    )


def read_fact(deployment: int, line: str) -> Record | None:
    """The record of a line; `None` for an event that this rollout does not know. Raises PlaceError."""
    document = read_document(line)
    try:
        event = from_fields(document["kind"], document["fields"])
        if event is None:
            return None
        return Record(deployment, document["sequence"], document["time"], event, document["epoch"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(error) from error


def document_line(document: Mapping[str, Any]) -> str:
    """A summary, or the memory of all nodes, as a line."""
    return json.dumps({"format": _FORMAT, **document})


def read_document(line: str) -> Document:
    """The document of a line; empty for an empty line. Raises PlaceError."""
    if not line:
        return {}
    try:
        document = json.loads(line)
        found = document.pop("format")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(error) from error
    if found > _FORMAT:
        message = (
            f"the shared state was written by a newer rollout (format {found}, this one knows {_FORMAT})"
        )
        raise PlaceError(message, hint="upgrade rollout")
    return dict(document)


def _damaged(error: Exception) -> PlaceError:
    return PlaceError(f"the shared state is damaged: {error!r}", hint="rollout check says where it lies")
