"""`release: archive` over a real SSH connection."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import rollout, write_inventory
from tests.support.sshd import Sshd
from tests.support.until import wait

Write = Callable[..., Path]


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with Sshd(tmp_path / "sshd", address="127.0.0.62") as sshd:
        yield sshd


@pytest.fixture
def write(tmp_path: Path, sshd: Sshd) -> Write:
    """Writes the inventory of one node, reached by SSH."""
    (tmp_path / "laptop").mkdir()

    def write(release: dict[str, Any], **sections: Any) -> Path:
        ssh = {
            "user": sshd.user,
            "port": sshd.port,
            "identity_file": str(sshd.identity_file),
            "known_hosts": str(sshd.known_hosts),
        }
        written = {"nodes": {"web1": {"host": sshd.address, "ssh": ssh}}, "restart": "none", **sections}
        return write_inventory(tmp_path / "laptop" / "rollout.yml", {**written, "release": release})

    return write


def pack(path: Path, **files: str) -> None:
    """An archive of these files, below the folder `app`."""
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"app/{name}")
            member.size = len(text)
            archive.addfile(member, BytesIO(text.encode()))


def test_releases_come_and_go(tmp_path: Path, write: Write) -> None:
    """Each is sent once and switched to; old ones go; a rollback sends nothing, and needs no archive."""
    node, laptop = tmp_path / "node", tmp_path / "laptop"
    archive = {"source": "shop-{release}.tar.gz", "directory": str(node), "keep": 2}
    path = write({"archive": archive}, prepare={"command": f"ls {node}/releases/$ROLLOUT_RELEASE/app"})
    for release in ("1", "2", "3"):
        pack(laptop / f"shop-{release}.tar.gz", version=release)
        done = rollout("deploy", "--release", release, inventory=path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert (node / "current/app/version").read_text() == release
    assert sorted(os.listdir(node / "releases")) == ["2", "3"]
    assert os.readlink(node / "current") == "releases/3"
    assert os.readlink(node / "previous") == "releases/2"
    for left in laptop.glob("*.tar.gz"):
        left.unlink()
    back = rollout("rollback", inventory=path)
    assert back.returncode == 0, back.stdout + back.stderr
    assert "release 2 was already there" in back.stdout
    assert (node / "current/app/version").read_text() == "2"
    assert sorted(os.listdir(node / "releases")) == ["2", "3"]
    assert sorted(os.listdir(node)) == ["current", "previous", "releases"]


def test_an_upload_that_breaks_off_is_never_switched_to(tmp_path: Path, write: Write, sshd: Sshd) -> None:
    """The connection is killed in mid-upload: the old release stays, and `resume` sends the new one anew."""
    node, laptop = tmp_path / "node", tmp_path / "laptop"
    files = {"from": "data", "to": str(node), "bandwidth": "1MB/s"}
    path = write({"files": files})
    (laptop / "data").write_text("old")
    assert rollout("deploy", "--release", "1", inventory=path).returncode == 0
    (laptop / "data").write_bytes(os.urandom(2_000_000))
    command = [sys.executable, "-m", "rollout", "deploy", "--release", "2", "-i", str(path), "--yes"]
    deploying = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    arriving = node / "releases/.incoming/data"
    try:
        wait(lambda: arriving.exists() and arriving.stat().st_size > 0, "the upload")
        sshd.cut()
    finally:
        told, _ = deploying.communicate(timeout=60)
    assert deploying.returncode == 1
    assert "the connection broke" in told
    assert "no node was touched" in told
    assert (node / "current/data").read_text() == "old"
    assert not (node / "releases/2").exists()
    path.write_text(path.read_text().replace("1MB/s", "500MB/s"))
    again = rollout("resume", inventory=path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert (node / "current/data").read_bytes() == (laptop / "data").read_bytes()
    assert sorted(os.listdir(node / "releases")) == ["1", "2"]


def test_an_archive_that_is_broken(tmp_path: Path, write: Write) -> None:
    """The old release stays, and nothing of the new one does: no node was touched."""
    node, laptop = tmp_path / "node", tmp_path / "laptop"
    path = write({"archive": {"source": "shop-{release}.tar.gz", "directory": str(node)}})
    pack(laptop / "shop-1.tar.gz", version="1")
    assert rollout("deploy", "--release", "1", inventory=path).returncode == 0
    (laptop / "shop-2.tar.gz").write_bytes((laptop / "shop-1.tar.gz").read_bytes()[:-20])
    done = rollout("deploy", "--release", "2", inventory=path)
    assert done.returncode == 1
    assert "the archive is broken: " in done.stdout + done.stderr
    assert "no node was touched" in done.stdout + done.stderr
    assert (node / "current/app/version").read_text() == "1"
    assert os.listdir(node / "releases") == ["1"]
