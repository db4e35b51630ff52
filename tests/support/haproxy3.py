"""HAProxy 3.0 beside the machine's own: Debian trixie's packages, unpacked and run with their own libraries.

`python tests/support/haproxy3.py` prints where it is. Nothing is installed: the packages come from the
archive that this machine's apt already uses, by an apt with folders of its own.
"""

from __future__ import annotations

import fcntl
import platform
import re
import shutil
import subprocess
from pathlib import Path

SUITE = "trixie"
CACHE = Path(__file__).parents[2] / ".cache" / "haproxy-3"


class Unavailable(Exception):
    """HAProxy 3.0 cannot be had on this machine."""


def binary() -> Path:
    """The path of a HAProxy 3.0, fetched at the first call. Raises Unavailable."""
    wrapper = CACHE / "haproxy"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not wrapper.exists():
            packages = download(CACHE / "apt")
            root = unpack(packages, CACHE / "root")
            write_wrapper(wrapper, root)
            shutil.rmtree(CACHE / "apt")
    return wrapper


def download(folder: Path) -> list[Path]:
    """HAProxy and all that it depends on, as .deb files."""
    shutil.rmtree(folder, ignore_errors=True)
    sources, lists, archives = folder / "sources", folder / "lists", folder / "archives"
    for each in (sources, lists / "partial", archives / "partial"):
        each.mkdir(parents=True)
    copy_sources(sources)
    (folder / "status").touch()  # nothing is installed, so every dependency is fetched
    own = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": sources,
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State": folder,
        "Dir::State::lists": lists,
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "Dir::Cache::archives": archives,
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "true",
    }
    options = [f"-o{name}={value}" for name, value in own.items()]
    run("apt-get", *options, "--quiet", "update")
    run(
        "apt-get",
        *options,
        "--quiet",
        "--yes",
        "--download-only",
        "--no-install-recommends",
        "install",
        "haproxy",
    )
    return list(archives.glob("*.deb"))


def copy_sources(folder: Path) -> None:
    """The machine's own apt sources for its Debian release, made to name `SUITE` in its place."""
    if not shutil.which("apt-get"):
        raise Unavailable("this machine has no apt")
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    entries = run(
        "apt-get", "indextargets", "--format", "$(SOURCESENTRY) $(RELEASE) $(COMPONENT)"
    ).splitlines()
    files = {Path(entry.rpartition(":")[0]) for entry in entries if entry.endswith(f" {codename} main")}
    for file in files:
        text = re.sub(rf"\b{codename}\b", SUITE, file.read_text())
        (folder / file.name).write_text(text)
    if not files:
        raise Unavailable("this machine's apt has no source for its own release")


def unpack(packages: list[Path], root: Path) -> Path:
    shutil.rmtree(root, ignore_errors=True)
    for package in packages:
        run("dpkg-deb", "--extract", str(package), str(root))
    return root


def write_wrapper(wrapper: Path, root: Path) -> None:
    """An executable that runs HAProxy with its own loader and under the wrapper's name: a master that is told
    to reload runs itself again by the name that it was given."""
    loader = next(root.glob("usr/lib/*/ld-linux-*.so.*")).relative_to(wrapper.parent)
    line = f'exec "$here/{loader}" --library-path "$here/{loader.parent}" --argv0 "$0"'
    made = wrapper.with_suffix(".new")
    made.write_text(f'#!/bin/sh\nhere=${{0%/*}}\n{line} "$here/root/usr/sbin/haproxy" "$@"\n')
    made.chmod(0o755)
    made.rename(wrapper)


def run(*command: str) -> str:
    """The command's output. Raises Unavailable with it if the command fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Unavailable(f"{command[0]} failed: {done.stdout}")
    return done.stdout


if __name__ == "__main__":
    print(binary())  # noqa: T201 (it is a program here)
