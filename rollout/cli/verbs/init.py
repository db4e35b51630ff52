"""`rollout init`: write a commented inventory to start from."""

from __future__ import annotations

import argparse
import shlex
import sys
from importlib.resources import files
from pathlib import Path

from rollout.errors import UsageError


def run(arguments: argparse.Namespace) -> int:
    path: Path = arguments.file
    name = shlex.quote(str(path))
    starter = files("rollout").joinpath("inventory", "starter.yml").read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(starter)
    except FileExistsError:
        raise UsageError(
            f"{name} already exists; rollout did not change it", hint="rollout init ANOTHER.yml"
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{name} cannot be written: {reason}") from None
    sys.stdout.write(f"wrote {name}: change the lines marked with <-, then run rollout check -i {name}\n")
    return 0
