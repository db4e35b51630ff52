"""What the node does with what is sent to it, and with what is wrong about it."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import subprocess
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rollout.agents.release import keep as keeping
from rollout.agents.release import look as looking
from rollout.agents.release import receive as receiving
from rollout.agents.release import switch as switching
from rollout.agents.release.store import Store
from rollout.remote.agent import on_node, on_node_with_input
from tests.support.until import wait


def tar(*members: tarfile.TarInfo, content: bytes = b"") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


def file(name: str, size: int = 0, **attributes: Any) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    for key, value in attributes.items():
        setattr(member, key, value)
    return member


def receive(
    node: Path, content: bytes, release: str = "1", *, sent: bytes | None = None, keep: int = 5
) -> subprocess.CompletedProcess[bytes]:
    """`sent` arrives in place of `content`."""
    digest = hashlib.sha256(content).hexdigest()
    options = receiving.Options(str(node), release, keep=keep, warm=True, size=len(content), digest=digest)
    line, program = on_node_with_input(receiving.main, options)
    whole = program + (content if sent is None else sent)
    return subprocess.run(["sh", "-c", line], input=whole, capture_output=True, timeout=60)


def switch(node: Path, release: str, *, keep: int = 5) -> subprocess.CompletedProcess[bytes]:
    line = on_node(switching.main, switching.Options(str(node), release, keep=keep))
    return subprocess.run(["sh", "-c", line], capture_output=True, timeout=60)


def look(node: Path, release: str = "1") -> subprocess.CompletedProcess[bytes]:
    line = on_node(looking.main, looking.Options(str(node), release))
    return subprocess.run(["sh", "-c", line], capture_output=True, timeout=60)


def assert_refused(done: subprocess.CompletedProcess[bytes], node: Path, *words: str) -> None:
    """It says why in one line, and nothing is left of what came."""
    told = done.stdout.decode()
    assert done.returncode == 1, told
    assert done.stderr == b""
    assert len(told.splitlines()) == 1, told
    for word in words:
        assert word in told
    assert os.listdir(node / "releases") == []


@pytest.mark.parametrize("packed", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_archives_of_every_kind(tmp_path: Path, packed: Callable[[bytes], bytes]) -> None:
    """They are told by how they begin; files, folders and links come as they were."""
    content = tar(
        file(".", type=tarfile.DIRTYPE, mode=0o700),
        file("./bin", type=tarfile.DIRTYPE, mode=0o750),
        file("./bin/run", 5, mode=0o4755, mtime=1000),
        file("link", type=tarfile.SYMTYPE, linkname="/usr/bin/python3"),
        file("same", type=tarfile.LNKTYPE, linkname="bin/run"),
        content=b"hello",
    )
    content = packed(content)
    done = receive(tmp_path, content)
    assert (done.returncode, done.stdout) == (0, b"")
    release = tmp_path / "releases/1"
    assert (release / "same").read_text() == "hello"
    assert (release / "bin/run").stat().st_mode & 0o7777 == 0o755, "without the right to act for its owner"
    assert (release / "bin/run").stat().st_mtime == 1000
    assert (release / "bin").stat().st_mode & 0o777 == 0o750
    assert os.readlink(release / "link") == "/usr/bin/python3"
    assert look(tmp_path).stdout.decode() == f"there {hashlib.sha256(content).hexdigest()}\n"


def zipped(*members: tuple[str, int, str], packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of members: the name, the mode and the content of each."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", packed) as archive:
        for name, mode, content in members:
            info = zipfile.ZipInfo(name, (2001, 2, 3, 4, 5, 6))
            info.external_attr = mode << 16 | 0x20
            archive.writestr(info, content)
    return made.getvalue()


def test_a_zip_archive(tmp_path: Path) -> None:
    """Files, folders and links come as they were, and with modes where it has none."""
    content = zipped(
        ("bin/", 0o40750, ""),
        ("bin/run", 0o104755, "hello" * 1000),
        ("link", 0o120777, "/usr/bin/python3"),
        ("from/windows.txt", 0, "text"),
    )
    done = receive(tmp_path, content)
    assert (done.returncode, done.stdout) == (0, b"")
    release = tmp_path / "releases/1"
    assert (release / "bin/run").read_text() == "hello" * 1000
    assert (release / "bin/run").stat().st_mode & 0o7777 == 0o755
    assert time.localtime((release / "bin/run").stat().st_mtime)[:6] == (2001, 2, 3, 4, 5, 6)
    assert (release / "bin").stat().st_mode & 0o777 == 0o750
    assert os.readlink(release / "link") == "/usr/bin/python3"
    assert (release / "from/windows.txt").stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path / "releases") == ["1"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped(("../x", 0, "")), ("'../x'", "leads out of its folder")),
        (zipped(("/tmp/x", 0, "")), ("leads out of its folder",)),
        (zipped(("a", 0o120777, ".."), ("a/x", 0, "")), ("leads through 'a'",)),
        (zipped(("x", 0o020600, "")), ("neither a file, a folder nor a link",)),
        (zipped(("x", 0, "hello" * 100))[:-30], ("is broken",)),
        (zipped(("x", 0, "hello"), packed=zipfile.ZIP_STORED).replace(b"hello", b"jello"), ("is broken",)),
    ],
)
def test_zip_archives_that_are_refused(tmp_path: Path, content: bytes, words: tuple[str, ...]) -> None:
    """By the same rules as tar archives: nothing is written outside, and nothing broken stays."""
    node = tmp_path / "node"
    node.mkdir()
    assert_refused(receive(node, content), node, "the archive", *words)
    assert os.listdir(tmp_path) == ["node"]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([file("../x")], ("'../x'", "leads out of its folder")),
        ([file("a/../../x")], ("leads out of its folder",)),
        ([file("/tmp/x")], ("leads out of its folder",)),
        ([file("a", type=tarfile.SYMTYPE, linkname=".."), file("a/x")], ("leads through 'a'",)),
        (
            [file("a", type=tarfile.SYMTYPE, linkname="/tmp"), file("a", type=tarfile.DIRTYPE), file("a/x")],
            ("leads through 'a'",),
        ),
        ([file("x", type=tarfile.LNKTYPE, linkname="../../current")], ("leads out of its folder",)),
        (
            [
                file("a", type=tarfile.SYMTYPE, linkname="/etc"),
                file("x", type=tarfile.LNKTYPE, linkname="a/passwd"),
            ],
            ("leads through 'a'",),
        ),
        ([file("x", type=tarfile.CHRTYPE)], ("neither a file, a folder nor a link",)),
        ([file("x", type=tarfile.DIRTYPE), file("x")], ("both as a folder",)),
        ([file(".")], ("not a file name",)),
    ],
)
def test_members_that_leave_the_folder(
    tmp_path: Path, members: list[tarfile.TarInfo], words: tuple[str, ...]
) -> None:
    """Nothing is ever written outside of it, by whatever detour."""
    node = tmp_path / "node"
    node.mkdir()
    assert_refused(receive(node, tar(*members)), node, "the archive", *words)
    assert os.listdir(tmp_path) == ["node"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"this is no archive at all",
        gzip.compress(tar(file("x", 100_000), content=os.urandom(100_000)))[:-50_000],
        gzip.compress(tar(file("x", 5), content=b"hello"))[:-8] + b"\0" * 8,
        tar(file("x", 100_000), content=b"x" * 100_000)[:50_000],
        bz2.compress(b"this is no archive at all"),
        b"BZh9this is none, either",
        lzma.compress(tar(file("x", 5), content=b"hello"))[:-9],
    ],
    ids=["empty", "text", "cut gzip", "wrong sum", "cut tar", "text in bzip2", "like bzip2", "cut xz"],
)
def test_archives_that_are_broken(tmp_path: Path, content: bytes) -> None:
    """Half of one is never a release, though it was sent as it is."""
    assert_refused(receive(tmp_path, content), tmp_path, "the archive is broken: ")


def test_what_changes_on_its_way(tmp_path: Path) -> None:
    """The hash is checked of what has arrived; that nothing is wrong with the archive itself is no matter."""
    content = tar(file("x", 5), content=b"hello")
    changed = tar(file("x", 5), content=b"world")
    done = receive(tmp_path, content, sent=changed)
    assert_refused(done, tmp_path, "the upload arrived damaged", hashlib.sha256(changed).hexdigest())


def test_an_upload_that_breaks_off(tmp_path: Path) -> None:
    """It says how far it came."""
    content = tar(file("x", 100_000), content=b"x" * 100_000)
    done = receive(tmp_path, content, sent=content[:50_000])
    assert_refused(done, tmp_path, f"broke off after 50000 of {len(content)} bytes")


def test_an_upload_that_is_ended(tmp_path: Path) -> None:
    """On SIGTERM, as when it takes too long, what has come is removed; the next upload has its place."""
    content = tar(file("x", 100_000), content=b"x" * 100_000)
    options = receiving.Options(str(tmp_path), "1", keep=5, warm=False, size=len(content), digest="-")
    line, program = on_node_with_input(receiving.main, options)
    process = subprocess.Popen(["sh", "-c", f"exec {line}"], stdin=-1)
    assert process.stdin is not None
    process.stdin.write(program + content[:50_000])
    process.stdin.flush()
    incoming = tmp_path / "releases/.incoming"
    try:
        wait(lambda: (incoming / "x").exists(), "the upload")
        assert b"another upload to" in receive(tmp_path, content).stdout
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert not incoming.exists()
    assert receive(tmp_path, content).returncode == 0


def test_what_a_dead_upload_left_is_removed(tmp_path: Path) -> None:
    """Whatever its machine left behind when it lost power is no part of the next one."""
    (tmp_path / "releases/.incoming/half").mkdir(parents=True)
    assert receive(tmp_path, tar(file("x"))).returncode == 0
    assert sorted(os.listdir(tmp_path / "releases/1")) == [".rollout.sha256", "x"]
    assert os.listdir(tmp_path / "releases") == ["1"]


def test_switching(tmp_path: Path) -> None:
    """`current` is another link in one step, `previous` is what it was; a release that is missing is none."""
    assert b"releases/1 is not there" in switch(tmp_path, "1").stdout
    for release in ("1", "2"):
        receive(tmp_path, tar(file("x")), release)
        assert switch(tmp_path, release).returncode == 0
        assert switch(tmp_path, release).returncode == 0, "again, as after an answer that was lost"
    assert os.readlink(tmp_path / "current") == "releases/2"
    assert os.readlink(tmp_path / "previous") == "releases/1"
    (tmp_path / "releases/3").mkdir()
    assert b"was not put there by rollout" in switch(tmp_path, "3").stdout
    assert os.readlink(tmp_path / "current") == "releases/2"


def test_old_releases_go_but_never_those_in_use(tmp_path: Path) -> None:
    """The current and the previous one stay however old they are, and so does what is not ours."""
    for release in ("1", "2"):
        receive(tmp_path, tar(file("x")), release)
        switch(tmp_path, release)
    (tmp_path / "releases/by-hand").mkdir()
    for release in ("3", "4", "5"):
        last = receive(tmp_path, tar(file("x")), release, keep=1)
    assert sorted(os.listdir(tmp_path / "releases")) == ["1", "2", "5", "by-hand"]
    assert f"removed {tmp_path}/releases/4" in last.stdout.decode()
    receive(tmp_path, tar(file("x")), "6", keep=4)
    assert sorted(os.listdir(tmp_path / "releases")) == ["1", "2", "5", "6", "by-hand"]


def test_where_nothing_could_be_put(tmp_path: Path) -> None:
    """It is told before anything is touched."""
    (tmp_path / "file").touch()
    assert b"file is not a folder" in look(tmp_path / "file").stdout
    (tmp_path / "node/current").mkdir(parents=True)
    assert b"node/current is not a symbolic link: move it away" in look(tmp_path / "node").stdout
    (tmp_path / "other/releases/1").mkdir(parents=True)
    assert b"releases/1 was not put there by rollout" in look(tmp_path / "other").stdout
    found, free = look(tmp_path / "new/folder").stdout.split()
    assert (found, int(free) > 0) == (b"missing", True)
    assert not (tmp_path / "new").exists()


def test_what_is_there_is_read_into_memory(tmp_path: Path) -> None:
    """Before it is switched to, a release whose pages were given up is in the page cache again."""
    size = 8 << 20
    receive(tmp_path, tar(file("x", size), content=b"x" * size))
    data = tmp_path / "releases/1/x"
    with data.open("rb") as opened:
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if resident(data) == size:
        pytest.skip("this file system forgets nothing")
    options = keeping.Options(str(tmp_path), "1", keep=5, warm=True, pace=100e6)
    line = on_node(keeping.main, options)
    assert subprocess.run(["sh", "-c", line], timeout=60).returncode == 0
    assert resident(data) == size


def resident(path: Path) -> int:
    """Bytes of a file that are in the page cache."""
    told = subprocess.run(["fincore", "-nbo", "RES", path], capture_output=True, check=True).stdout
    return int(told)


def test_who_may_not_write_there() -> None:
    """It is told which folder it is, where that of the inventory would have to be made."""
    line = on_node(looking.main, looking.Options("/no/such", "1"))
    user = 65534 if os.geteuid() == 0 else None
    told = subprocess.run(["sh", "-c", line], capture_output=True, user=user, timeout=60).stdout
    assert told == b"no permission to write to /, where /no/such would be created\n"


def test_a_link_made_by_hand(tmp_path: Path) -> None:
    """An absolute one counts, too: what it leads to is never removed."""
    receive(tmp_path, tar(file("x")), "1")
    (tmp_path / "current").symlink_to(tmp_path / "releases/1")
    assert Store(str(tmp_path)).linked(tmp_path / "current") == "1"
    receive(tmp_path, tar(file("x")), "2", keep=1)
    assert sorted(os.listdir(tmp_path / "releases")) == ["1", "2"]
