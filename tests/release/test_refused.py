"""What is told before anything is touched, and what will be done."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rollout.cli.exit_codes import REFUSED, USAGE
from rollout.cli.main import main
from tests.support.command import write_inventory


class Ran(NamedTuple):
    code: int
    told: str


class SentFolder:
    """A folder here and one on the node, which is this machine."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.node = folder / "node"
        self.inventory = folder / "rollout.yml"
        self.source = folder / "words"
        self.source.write_text("hello")
        self._capsys = capsys
        self.write()

    def write(self, **changes: Any) -> None:
        files = {"from": "words", "to": str(self.node), **changes}
        write_inventory(self.inventory, {"release": {"files": files, "timeout": "10s"}, "restart": "none"})

    def run(self, verb: str, *words: str) -> Ran:
        code = main([verb, *words, "--inventory", str(self.inventory)])
        printed = self._capsys.readouterr()
        return Ran(code, printed.out + printed.err)

    def deploy(self, release: str) -> Ran:
        return self.run("deploy", "--yes", "--release", release)


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> SentFolder:
    return SentFolder(tmp_path, capsys)


@pytest.mark.parametrize(
    "release", ["../1", "a/b", "current", "previous", ".hidden", "-x", "two words", "x" * 201]
)
def test_a_release_that_no_folder_can_bear(shop: SentFolder, release: str) -> None:
    """It is refused by its name alone."""
    ran = shop.run("deploy", "--yes", f"--release={release}")
    assert ran.code == USAGE
    assert repr(release) in ran.told
    assert not shop.node.exists()


def test_a_source_that_is_not_there(shop: SentFolder) -> None:
    """It is told with its path, which begins at the inventory's folder."""
    shop.source.unlink()
    ran = shop.deploy("1")
    assert ran.code == REFUSED
    assert f"web1: {shop.source}: No such file or directory" in ran.told
    assert not shop.node.exists()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("shop-1.whl", b"PK\x03\x04", "is a wheel, which must be installed and not unpacked"),
        ("shop.tar.zst", b"\x28\xb5\x2f\xfd", "`zstd -dc shop.tar.zst | gzip > shop.tar.gz`"),
        ("shop.7z", b"7z\xbc\xaf\x27\x1c", "is no archive that a node could unpack"),
        ("shop.tar", b"this is text", "pack it as .tar, .tar.gz, .tar.bz2, .tar.xz or .zip"),
    ],
)
def test_what_no_node_can_unpack(shop: SentFolder, name: str, content: bytes, told: str) -> None:
    """It is not sent, and what to do instead is told."""
    (shop.inventory.parent / name).write_bytes(content)
    archive = {"source": name, "directory": str(shop.node)}
    write_inventory(shop.inventory, {"release": {"archive": archive}, "restart": "none"})
    ran = shop.deploy("1")
    assert ran.code == REFUSED
    assert told in ran.told
    assert not shop.node.exists()


def test_what_takes_longer_than_it_may(shop: SentFolder) -> None:
    """It would only be given up after a long time."""
    shop.source.write_bytes(b"x" * 20_000)
    shop.write(bandwidth="1kB/s")
    ran = shop.deploy("1")
    assert ran.code == REFUSED
    assert "takes 22s at the configured bandwidth, longer than release.timeout (10s)" in ran.told


def test_a_place_that_is_taken(shop: SentFolder) -> None:
    """A folder `current` would have to be replaced; `check` tells it as well."""
    (shop.node / "current").mkdir(parents=True)
    for ran in (shop.deploy("1"), shop.run("check")):
        assert ran.code == REFUSED
        assert "node/current is not a symbolic link: move it away" in ran.told
    assert os.listdir(shop.node) == ["current"]


def test_another_release_of_the_same_name(shop: SentFolder) -> None:
    """A node that has it is not taken for one that has what is meant; the same contents are."""
    assert shop.deploy("1").code == 0
    assert "release 1 was already there" in shop.deploy("1").told
    shop.source.write_text("good morning")
    ran = shop.deploy("1")
    assert ran.code == REFUSED
    assert f"the node already has a release 1, and it differs from {shop.source}" in ran.told
    shop.source.unlink()
    assert shop.deploy("1").code == 0


def test_a_rollback_takes_what_is_on_the_node(shop: SentFolder) -> None:
    """What is here under the same path by now is another release: it is never sent for the old one."""
    for release in ("1", "2"):
        shop.source.write_text(release)
        assert shop.deploy(release).code == 0
    ran = shop.run("rollback", "--yes", "--to", "0")
    assert ran.code == REFUSED
    assert "release 0 is no longer on the node" in ran.told
    assert shop.run("rollback", "--yes").code == 0
    assert (shop.node / "current/words").read_text() == "1"


def test_what_will_be_sent(shop: SentFolder) -> None:
    """`plan` says what goes where, and `check` that it could."""
    told = shop.run("plan", "--release", "1").told
    assert f"prepare  web1 gets {shop.source} → {shop.node}/releases/1, unless it has it" in told
    assert f"release  $ {shop.node}/current → releases/1" in told
    (node,) = json.loads(shop.run("plan", "--release", "1", "--output", "json").told)["nodes"]
    assert node["sent"] == f"{shop.source} → {shop.node}/releases/1"
    assert "sent" not in shop.run("plan").told
    assert "a release can be put there" in shop.run("check").told
    assert not shop.node.exists()


def test_a_folder_is_sent_with_all_that_is_in_it(shop: SentFolder, tmp_path: Path) -> None:
    """Its files, folders and links, with their rights; the same ones again are the same release."""
    source = tmp_path / "dist"
    (source / "empty").mkdir(parents=True)
    (source / "deep").mkdir()
    (source / "deep" / "run").write_text("#!/bin/sh\n")
    (source / "deep" / "run").chmod(0o750)
    (source / "link").symlink_to("deep/run")
    shop.write(**{"from": "dist"})
    assert shop.deploy("1").code == 0
    current = shop.node / "current"
    assert sorted(path.name for path in current.iterdir()) == [".rollout.sha256", "deep", "empty", "link"]
    assert (current / "link").read_text() == "#!/bin/sh\n"
    assert (current / "deep" / "run").stat().st_mode & 0o777 == 0o750
    os.utime(source / "deep" / "run", (1, 1))
    assert "release 1 was already there" in shop.deploy("1").told
    os.mkfifo(source / "pipe")
    ran = shop.deploy("2")
    assert ran.code == REFUSED
    assert f"{source}/pipe is neither a file, a folder nor a link" in ran.told
