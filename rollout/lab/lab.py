"""A lab: a service on real nodes behind real HAProxy, all on this machine's loopback network."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from rollout.errors import RolloutError
from rollout.lab import folder, processes, programs
from rollout.lab.addresses import free_addresses
from rollout.lab.layout import Layout
from rollout.lab.settings import Settings
from rollout.lab.start import start


class Lab(Layout):
    """A lab that is up."""

    __slots__ = ()

    @classmethod
    def up(cls, directory: Path, **settings: Any) -> Lab:
        """A new lab in a new or empty folder. All of it serves when this returns.

        `settings` are the fields of `Settings`. Raises UsageError, Refused if a lab is there already, and
        RolloutError if something does not start; then nothing is left of it.
        """
        chosen = Settings(**settings)
        installed = programs.find(chosen.haproxy)
        directory = directory.resolve()
        addresses = free_addresses(chosen.nodes, chosen.load_balancers)
        folder.claim(directory)
        try:
            lab = cls(directory, folder.plain_path(directory), addresses, chosen)
            folder.save(lab)
            start(lab, installed)
        except (subprocess.SubprocessError, OSError) as error:
            down(directory)
            raise RolloutError(f"The lab did not start: {error}") from None
        except BaseException:
            down(directory)
            raise
        return lab

    @classmethod
    def load(cls, directory: Path) -> Lab:
        """The lab that is up in a folder. Raises UsageError."""
        layout = folder.load(directory.resolve())
        return cls(layout.directory, layout.home, layout.addresses, layout.settings)

    def down(self) -> None:
        """End all processes of the lab, and remove its folder. Raises RolloutError if one does not end."""
        down(self.directory)


def down(directory: Path) -> bool:
    """End the lab in that folder, in whatever state it is, and remove the folder; False if there is none.

    Raises RolloutError if a process does not end.
    """
    directory = directory.resolve()
    ended = processes.end(processes.mark_of(directory))
    return folder.remove(directory) or ended
