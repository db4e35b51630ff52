"""The configuration files of a running HAProxy, read on its machine: the socket does not show them."""

from __future__ import annotations

import shlex

from rollout.ports import Host

_LOOK = 30.0
"""Seconds for reading one file."""
_FILES = """
tr '\\0' '\\n' < /proc/{pid}/cmdline | awk 'file {{ print; file = 0 }} $0 == "-f" {{ file = 1 }}' |
while read -r file; do if [ -d "$file" ]; then ls -d "$file"/*.cfg; else echo "$file"; fi; done
"""
"""Prints the files that a running HAProxy was started with, one a line."""


class Unreadable(Exception):
    """HAProxy's configuration cannot be read, with the reason."""


async def read_configuration(host: Host, pid: int) -> list[tuple[str, str]]:
    """All lines of the configuration of HAProxy's process `pid`, in order, each after its `FILE:NUMBER`.

    Raises HostError, Unreadable.
    """
    files = await host.run(_FILES.format(pid=pid), environment={}, timeout=_LOOK)
    if files.status != 0 or not files.tail:
        raise Unreadable("its files could not be found")
    lines: list[tuple[str, str]] = []
    for file in files.tail:
        read: list[str] = []
        line = f"cat {shlex.quote(file)}"
        if (await host.run(line, environment={}, timeout=_LOOK, output=read.append)).status != 0:
            raise Unreadable(f"{file} could not be read")
        lines += [(f"{file}:{number}", text) for number, text in enumerate(read, start=1)]
    return lines
