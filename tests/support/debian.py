"""Packages of another Debian release beside the machine's own, for programs in a newer version than it has.

Nothing is installed: the packages come from the archive that this machine's apt already uses, by an apt with
folders of its own.
"""

from __future__ import annotations

import fcntl
import platform
import re
import shutil
import subprocess
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache"


class Unavailable(Exception):
    """The program cannot be had on this machine."""


def unpacked(package: str, suite: str) -> Path:
    """A folder with the suite's package and all that it depends on, fetched at the first call.

    Raises Unavailable.
    """
    folder = CACHE / suite / package
    root = folder / "root"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            unpack(download(package, suite, folder / "apt"), folder / "new")
            shutil.rmtree(folder / "apt")
            (folder / "new").rename(root)
    return root


def download(package: str, suite: str, folder: Path) -> list[Path]:
    """The package and all that it depends on, as .deb files."""
    shutil.rmtree(folder, ignore_errors=True)
    sources, lists, archives = folder / "sources", folder / "lists", folder / "archives"
    for each in (sources, lists / "partial", archives / "partial"):
        each.mkdir(parents=True)
    copy_sources(suite, sources)
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
    apt_get = ["apt-get", *(f"-o{name}={value}" for name, value in own.items()), "--quiet"]
    run(*apt_get, "update")
    run(*apt_get, "--yes", "--download-only", "--no-install-recommends", "install", package)
    return list(archives.glob("*.deb"))


def copy_sources(suite: str, folder: Path) -> None:
    """The machine's own apt sources for its Debian release, made to name `suite` in its place."""
    if not shutil.which("apt-get"):
        raise Unavailable("this machine has no apt")
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    entries = run(
        "apt-get", "indextargets", "--format", "$(SOURCESENTRY) $(RELEASE) $(COMPONENT)"
    ).splitlines()
    files = {Path(entry.rpartition(":")[0]) for entry in entries if entry.endswith(f" {codename} main")}
    for file in files:
        text = re.sub(rf"\b{codename}\b", suite, file.read_text())
        (folder / file.name).write_text(text)
    if not files:
        raise Unavailable("this machine's apt has no source for its own release")


def unpack(packages: list[Path], root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    for package in packages:
        run("dpkg-deb", "--extract", str(package), str(root))


def run(*command: str) -> str:
    """The command's output. Raises Unavailable with it if the command fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Unavailable(f"{command[0]} failed: {done.stdout}")
    return done.stdout
