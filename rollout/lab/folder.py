"""The folder of a lab: claimed for it, remembered, and removed."""

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
from rollout.lab.processes import mark_of
from rollout.lab.settings import Settings, command

_STATE = "lab.json"
_PLAIN = re.compile(r"[A-Za-z0-9_./+-]{1,60}")
"""A path that needs no quotes in any file, and is short enough for a UNIX socket below it."""


def claim(directory: Path) -> None:
    """Make the folder for a lab. Raises Refused if a lab is there, UsageError if it cannot be used."""
    if (directory / _STATE).exists():
        raise Refused(f"A lab is already up in {directory}", hint=command("down", directory))
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
    """The path of the folder, or of a link to it if its own is too long or odd for sockets and scripts."""
    if _PLAIN.fullmatch(str(directory)):
        return directory
    link = Path(tempfile.mkdtemp(prefix=_link_prefix(directory))) / "lab"
    link.symlink_to(directory)
    return link


def save(layout: Layout) -> None:
    """Remember the lab, for `load`."""
    (layout.directory / _STATE).write_text(json.dumps(asdict(layout), default=str, indent=2))


def load(directory: Path) -> Layout:
    """The lab that was saved in this folder. Raises UsageError if there is none."""
    try:
        state = json.loads((directory / _STATE).read_text())
        settings = Settings(
            **state["settings"] | {"backend_lines": tuple(state["settings"]["backend_lines"])}
        )
        return Layout(directory, Path(state["home"]), Addresses(**state["addresses"]), settings)
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"No lab is up in {directory}", hint=command("up", directory)) from None


def remove(directory: Path) -> bool:
    """Remove the folder of a lab and the link to it. False if the folder is not a lab's: then it stays."""
    for link in Path(tempfile.gettempdir()).glob(f"{_link_prefix(directory)}*"):
        shutil.rmtree(link, ignore_errors=True)
    if not (directory / _STATE).exists():
        return False
    shutil.rmtree(directory)
    return True


def _link_prefix(directory: Path) -> str:
    """The beginning of the link's path. It follows from the folder's path, so that a lost link is found."""
    return f"rollout-lab-{mark_of(directory)}-"
