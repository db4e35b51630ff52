"""Releases and deployments that this machine knows of: what a shell can complete without asking anybody."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from glob import escape
from urllib.parse import quote

from rollout.errors import JournalError


def releases(service: str) -> list[str]:
    """The releases that deployments of a service brought, the last one first."""
    found = (summary.get("release") for summary in _summaries(service).values())
    return list(dict.fromkeys(str(release) for release in found if release))


def deployments(service: str) -> list[int]:
    """The numbers of a service's deployments, the last one first."""
    return list(_summaries(service))


def _summaries(service: str) -> dict[int, dict[str, object]]:
    """The summary of each deployment in the journals of this machine, the last one first."""
    from rollout.adapters.journal import journal_path

    found: dict[int, dict[str, object]] = {}
    with suppress(JournalError):
        own = journal_path()
        for path in (own, *own.parent.glob(f"{escape(service)}-*.db")):
            with (
                suppress(sqlite3.Error, ValueError),
                closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database,
            ):
                rows = database.execute(
                    "SELECT id, summary FROM deployments WHERE service = ? AND summary IS NOT NULL", [service]
                )
                found |= {number: json.loads(summary) for number, summary in rows}
    return dict(sorted(found.items(), reverse=True))
