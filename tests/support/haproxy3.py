"""HAProxy 3.0 beside the machine's own: Debian trixie's, run with its own libraries.

`python -m tests.support.haproxy3` prints where it is.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.trixie import Unavailable, unpacked

__all__ = ["Unavailable", "binary"]


def binary() -> Path:
    """The path of an HAProxy 3.0, fetched at the first call. Raises Unavailable."""
    root = unpacked("haproxy")
    wrapper = root.with_name("haproxy")
    if not wrapper.exists():
        write_wrapper(wrapper, root)
    return wrapper


def write_wrapper(wrapper: Path, root: Path) -> None:
    """An executable that runs HAProxy with its own loader and under the wrapper's name: a master that is told
    to reload runs itself again by the name that it was given."""
    loader = next(root.glob("usr/lib/*/ld-linux-*.so.*")).relative_to(wrapper.parent)
    line = f'exec "$here/{loader}" --library-path "$here/{loader.parent}" --argv0 "$0"'
    made = wrapper.with_suffix(f".{os.getpid()}")
    made.write_text(f'#!/bin/sh\nhere=${{0%/*}}\n{line} "$here/root/usr/sbin/haproxy" "$@"\n')
    made.chmod(0o755)
    made.rename(wrapper)


if __name__ == "__main__":
    print(binary())  # noqa: T201 (it is a program here)
