"""What an application writes to its log while it restarts."""

from __future__ import annotations

import os
from typing import List, Optional

from rollout.agents.common.talk import Failed

_LINES = 20
_BYTES = 20000


class Log:
    """What is appended to a file from now on; nothing where there is no `path`. Raises Failed."""

    def __init__(self, path: Optional[str]) -> None:
        self._path = path
        self._begin = 0
        if path is not None:
            try:
                with open(path, "rb") as file:
                    self._begin = file.seek(0, os.SEEK_END)
            except OSError as error:
                raise Failed(f"the log {path} cannot be read: {error.strerror}") from None

    def last_lines(self) -> List[str]:
        if self._path is None:
            return []
        try:
            with open(self._path, "rb") as file:
                end = file.seek(0, os.SEEK_END)
                begin = self._begin if self._begin <= end else 0  # another file by now, or emptied
                file.seek(max(begin, end - _BYTES))
                return file.read().decode(errors="replace").splitlines()[-_LINES:]
        except OSError:
            return []
