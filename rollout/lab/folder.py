"""A lab's folder: claimed for one lab, remembered, and removed."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

from rollout.errors import Refused, UsageError
from rollout.lab.addresses import Addresses
from rollout.lab.layout import Layout
from rollout.lab.settings import Settings

_STATE = "lab.json"
_PLAIN = re.compile(r"[A-Za-z0-9_./+-]{1,60}")
"""A path that needs no quotes in any file, and is short enough for a UNIX socket below it."""


def claim(directory: Path) -> None:
    """Make the folder for a lab. Raises Refused if a lab is there, UsageError if it cannot be used."""
    if (directory / _STATE).exists():
        raise Refused(f"A lab is up in {directory} already", hint="rollout lab down")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise UsageError(
                f"{directory} is not empty, so it cannot hold a lab", hint="choose another --directory"
            )
        (directory / _STATE).touch(exist_ok=False)
    except FileExistsError:
        raise UsageError(f"{directory} cannot hold a lab: something else is there") from None
    except OSError as error:
        raise UsageError(f"{directory} cannot hold a lab: {error.strerror}") from None


def plain_path(directory: Path) -> Path:
    """The folder, or a link to it where its own path is too long or too odd for sockets and scripts."""
    if _PLAIN.fullmatch(str(directory)):
        return directory
    link = Path(tempfile.mkdtemp(prefix="rollout-lab-")) / "lab"
    link.symlink_to(directory)
    return link


def save(layout: Layout) -> None:
    """Remember it, for `load` and `remove`."""
    (layout.directory / _STATE).write_text(json.dumps(asdict(layout), default=str, indent=2))


def load(directory: Path) -> Layout:
    """What was saved in this folder. Raises UsageError."""
    try:
        state = json.loads((directory / _STATE).read_text())
        addresses, settings = Addresses(**state["addresses"]), Settings(**state["settings"])
        return Layout(directory, Path(state["home"]), addresses, settings)
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"No lab is up in {directory}", hint="rollout lab up") from None


def remove(directory: Path) -> bool:
    """Remove a lab's folder and the link to it; False, and nothing is removed, if it is no lab's."""
    if not (directory / _STATE).exists():
        return False
    try:
        home = load(directory).home
    except UsageError:  # it was claimed, and no more
        home = directory
    if home != directory:
        shutil.rmtree(home.parent, ignore_errors=True)
    shutil.rmtree(directory)
    return True
