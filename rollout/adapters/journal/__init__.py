"""The journal in SQLite: all deployments of all services by this user."""

from rollout.adapters.journal.journal import SqliteJournal
from rollout.adapters.journal.path import journal_path

__all__ = ["SqliteJournal", "journal_path"]
