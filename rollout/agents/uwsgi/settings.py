"""What a running uWSGI was told: by its command line, the ini files that this names, and its environment.

Nobody can ask uWSGI itself without having it print them into its log.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Tuple

from rollout.agents.common import proc
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed

Pairs = List[Tuple[str, str]]

_SHORT = {"w": "module", "H": "home", "s": "socket", "p": "workers", "d": "daemonize", "M": "master"}
_OFF = ("false", "no", "off", "0")
_DEEPEST = 5
"""Files within files."""


class Settings(NamedTuple):
    """`pairs` are its options in their order; `folder` is where it was started."""

    pairs: Pairs
    folder: str
    environment: Dict[str, str]

    def all(self, *keys: str) -> List[str]:
        return [value for key, value in self.pairs if key in keys]

    def on(self, key: str) -> bool:
        return any(value.lower() not in _OFF for value in self.all(key))

    def path(self, told: str) -> str:
        return os.path.normpath(os.path.join(self.folder, told.strip()))

    @property
    def fifos(self) -> List[str]:
        return [self.path(told) for told in self.all("master-fifo")]

    @property
    def workers(self) -> int:
        """How many there are always; 0 where that changes or cannot be seen."""
        told = self.all("workers", "processes")
        return int(told[-1]) if told and told[-1].isdigit() and not self.on("cheaper") else 0


def of(master: Process) -> Settings:
    """Raises Failed for files that cannot be read."""
    environment = _environment(master)
    folder = environment.get("PWD", "")
    if not os.path.isdir(folder):
        folder = os.readlink(f"/proc/{master.pid}/cwd")
    told = [
        (name[len("UWSGI_") :].lower().replace("_", "-"), value)
        for name, value in environment.items()
        if name.startswith("UWSGI_")
    ]
    pairs: Pairs = []
    for key, value in [*told, *_of_command_line(proc.command_line(master)[1:])]:
        pairs += _with_files(key, value, folder, pairs, 0)
    return Settings(pairs, folder, environment)


def _environment(master: Process) -> Dict[str, str]:
    try:
        raw = Path(f"/proc/{master.pid}/environ").read_bytes()
    except OSError as error:
        raise Failed(f"the environment of process {master.pid} cannot be read: {error.strerror}") from None
    entries = (entry.decode(errors="replace").partition("=") for entry in raw.split(b"\0"))
    return {name: value for name, equals, value in entries if equals}


def _of_command_line(words: List[str]) -> Iterator[Tuple[str, str]]:
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            yield "ini", word
            continue
        key, equals, value = word.lstrip("-").partition("=")
        key = key if word.startswith("--") else _SHORT.get(key, key)
        if not equals:
            takes = words and not words[0].startswith("-") and (key == "ini" or not _is_file(words[0]))
            value = words.pop(0) if takes else "true"
        yield key, value


def _is_file(word: str) -> bool:
    return word.partition(":")[0].endswith(".ini")


def _with_files(key: str, value: str, folder: str, above: Pairs, depth: int) -> Pairs:
    if key not in ("ini", "include", "inherit") or not _is_file(value) or depth > _DEEPEST:
        return [(key, value)]
    name, _, section = value.partition(":")
    path = os.path.join(folder, name)
    try:
        text = Path(path).read_text(errors="replace")
    except OSError as error:
        raise Failed(f"uWSGI's settings {path} cannot be read: {error.strerror}") from None
    pairs: Pairs = []
    for inner, told in _section(text, section or "uwsgi"):
        filled = _filled(told, path, [*above, *pairs])
        pairs += _with_files(inner, filled, folder, [*above, *pairs], depth + 1)
    return pairs


def _section(text: str, wanted: str) -> Iterator[Tuple[str, str]]:
    """What stands under a condition counts as told."""
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line[1:-1]
        elif line and line[0] not in ";#" and section == wanted:
            key, _, value = line.partition("=")
            yield key.strip(), value.strip()


def _filled(value: str, path: str, pairs: Pairs) -> str:
    """With the placeholders that paths are made of; others stay."""
    own, name = os.path.abspath(path), os.path.basename(path)
    magic = {"p": own, "d": os.path.dirname(own) + "/", "s": name, "n": os.path.splitext(name)[0], "%": "%"}
    known = dict(pairs)
    named = (told.partition("=") for key, told in pairs if key in ("set", "set-ph", "set-placeholder"))
    known.update((key, told) for key, _, told in named)
    value = re.sub(r"%([pdsn%])", lambda found: magic[found[1]], value)
    return re.sub(r"%\(([^)]+)\)", lambda found: known.get(found[1], found[0]), value)
