"""The place of the journal, and the advice where that place is of no use."""

from __future__ import annotations

import os
from pathlib import Path

from rollout.errors import JournalError

ELSEWHERE = "set XDG_STATE_HOME to choose another folder for it"


def journal_path() -> Path:
    """The path of `journal.db` in the user's state folder. Raises JournalError without a home folder."""
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        try:
            state = Path.home() / ".local" / "state"
        except RuntimeError as error:
            raise JournalError(
                f"no folder could be found for the journal: {error}", hint=ELSEWHERE
            ) from error
    return state / "rollout" / "journal.db"


def make_private(path: Path) -> None:
    """Make the journal's file, which no other user may read: it holds machines' names and their output.

    Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    if path.stat().st_mode & 0o077:  # SQLite gives its other files the same mode
        path.chmod(0o600)
