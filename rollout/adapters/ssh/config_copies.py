"""Copies of ssh_config for an `ssh` that is to use another home than that of its account."""

from __future__ import annotations

import glob
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

SYSTEM = Path("/etc/ssh/ssh_config")

INCLUDE = re.compile(r"(?P<keyword>\s*include)(?:\s*=\s*|\s+)(?P<paths>.+)", re.IGNORECASE)
_HOME = re.compile(r"""(?<![^\s="])~(?=/)|(?<!%)%d""")


class Copies:
    """The files of configuration, copied into a folder, in which `~` and `%d` are the other home.

    `ssh` has no option for that, and looks for no HOME.
    """

    def __init__(self, folder: Path, home: Path) -> None:
        self._folder = folder
        self._home = home
        self._made: dict[Path, Path] = {}
        """The copy of each file."""

    def write(self) -> Path:
        """Copy the user's and the system's files; the result is one that includes both, then the defaults."""
        users = self._home / ".ssh"
        found = [file for file in (users / "config", SYSTEM) if file.is_file()]
        lines = [f"Include {self._copy(file, file.parent)}" for file in found]
        known = f"UserKnownHostsFile {users}/known_hosts {users}/known_hosts2"
        top = self._folder / "config"
        top.write_text("\n".join([*lines, "Host *", known, ""]))
        return top

    def named(self, message: str) -> str:
        """`message` with each copy's path replaced by that of its original."""
        for original, copy in self._made.items():
            message = message.replace(f"{copy}:", f"{original}:").replace(f"{copy} ", f"{original} ")
        return message

    def _copy(self, file: Path, folder: Path) -> Path:
        if file not in self._made:
            copy = self._made[file] = self._folder / str(len(self._made))
            lines = file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
            text = "\n".join([*(self._line(line, folder) for line in lines), ""])
            copy.write_text(text, encoding="utf-8", errors="surrogateescape")
        return self._made[file]

    def _line(self, line: str, folder: Path) -> str:
        line = _HOME.sub(str(self._home), line)
        include = INCLUDE.fullmatch(line)
        if include is None:
            return line
        copies = (str(self._copy(file, folder)) for file in included(include["paths"], folder))
        return f"{include['keyword']} {' '.join(copies) or self._folder / 'none'}"


def included(paths: str, folder: Path) -> Iterator[Path]:
    """The files that the value of an `Include` names, in their order.

    Relative paths begin in `folder`. Raises ValueError for quotes without an end.
    """
    for pattern in shlex.split(paths, comments=True):
        path = os.path.expandvars(os.path.expanduser(pattern))
        yield from (Path(file) for file in sorted(glob.glob(str(folder / path))) if Path(file).is_file())
