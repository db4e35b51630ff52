"""A folder as a place, among the logins of a machine: modes, groups, and what somebody else made."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.adapters.local import LocalHost
from rollout.adapters.places.folder import FolderPlace
from rollout.domain import LockRequests, Publication
from rollout.errors import PlaceRefused
from tests.support.folders import FACTS, ONE, OTHER, folder, inside, make, used, user
from tests.support.users import NOBODY, need_root

_PLACE = "shop-4294967295"
"""The name of the place of a service without a socket."""


@pytest.fixture
def common() -> Iterator[Path]:
    """An empty folder that every login can reach; those of pytest are closed."""
    with tempfile.TemporaryDirectory(prefix="rollout-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture
def base(common: Path) -> Path:
    """A folder that is not there yet, which every login can reach."""
    return common / "state"


def by_nobody(line: str) -> None:
    """Run a line of shell as a user who may do nothing here."""
    subprocess.run([*NOBODY, "sh", "-c", line], check=True)


@pytest.mark.parametrize("umask", ["077", "000", "027"])
@pytest.mark.parametrize(("given", "folders", "files"), [(0o700, "700", "600"), (0o2770, "2770", "660")])
async def test_modes_are_what_they_are_whatever_the_umask(
    base: Path, umask: str, given: int, folders: str, files: str
) -> None:
    """One login's folder is its own; one that a group shares is the group's, with all that is in it."""
    make(base, given)
    await used(folder(base, "sh", "-c", f'umask {umask}; exec "$@"', "sh"))
    found = inside(base / _PLACE)
    assert {found.pop("."), found.pop("deployments")} == {folders}
    assert set(found.values()) == {files}
    assert set(found) >= {"lock", "epoch", "beat", "halt", "promote", "memory"}


async def test_a_folder_that_is_not_there_is_made_for_one_login(base: Path) -> None:
    """Whatever the umask."""
    await folder(base, "sh", "-c", 'umask 000; exec "$@"', "sh").held()
    assert set(inside(base).values()) == {"700", "600"}


@pytest.mark.parametrize(
    ("mode", "told"),
    [(0o777, "chmod o-w {base}"), (0o2777, "chmod o-w {base}"), (0o1777, "name a folder in it")],
)
async def test_a_folder_that_everybody_may_write_to_is_refused(base: Path, mode: int, told: str) -> None:
    """With the line that closes it, unless it is meant for everybody, as /tmp is."""
    make(base, mode)
    with pytest.raises(PlaceRefused, match="everybody there may write to") as refused:
        await folder(base).held()
    assert told.format(base=base) in str(refused.value)
    assert set(inside(base)) == {"."}


@pytest.mark.parametrize(
    "trap",
    [
        "mkdir -m 700 {base}",
        "mkdir -m 755 {base}",
        "mkdir -m 2770 {base}",
        "ln -s {elsewhere} {base}",
        "mkdir -m 755 {base} && mkdir -m 700 {place}",
        "mkdir -m 755 {base} && mkdir -m 770 {place} && ln -s {precious} {place}/halt",
        "mkdir -m 755 {base} && ln -s {elsewhere} {place}",
    ],
)
async def test_what_somebody_else_made_beforehand_is_refused(common: Path, trap: str) -> None:
    """A folder or a link, whatever lies in it, also where root may write, as which this runs."""
    need_root()
    elsewhere = make(common / "elsewhere", 0o700)
    precious = make(common / "precious", 0o700)
    base = make(common / "tmp", 0o1777) / "state"
    by_nobody(trap.format(base=base, place=base / _PLACE, elsewhere=elsewhere, precious=precious / "file"))
    with pytest.raises(PlaceRefused, match=r"belongs to nobody:nogroup|is a link that nobody made"):
        await folder(base).take(ONE)
    with pytest.raises(PlaceRefused):
        await folder(base).ask("halt", "ann")
    assert set(inside(precious)) == set(inside(elsewhere)) == {"."}


async def test_what_somebody_made_in_an_open_folder_is_refused_after_it_was_closed(base: Path) -> None:
    """Whether or not others may write there still."""
    need_root()
    place = make(base, 0o777) / _PLACE
    by_nobody(f"mkdir -m 777 {place}")
    base.chmod(0o755)
    with pytest.raises(PlaceRefused, match="everybody there may write to"):
        await folder(base).held()
    by_nobody(f"chmod 700 {place}")
    with pytest.raises(PlaceRefused, match="belongs to nobody"):
        await folder(base).held()


async def test_logins_of_one_group_share_a_folder(base: Path) -> None:
    """Another login takes over a dead lock, goes on with the facts, halts, promotes and prunes; a login that
    is not in the group is refused."""
    need_root()
    make(base, 0o2770, 4242)
    ann, bob = folder(base, *user("www-data", "4242")), folder(base, *user("nobody", "4242"))
    await used(ann)
    assert ann.group == "UNKNOWN"
    assert await bob.ask("halt", "bob")
    assert await bob.ask("promote", "bob")
    assert await ann.beat(ONE) == LockRequests("bob", "bob")
    epoch = await bob.take(OTHER, over=ONE.token)
    assert epoch == 2
    await bob.publish(OTHER, epoch, Publication(1, 6, FACTS, memory="[]", summary="[]"))
    assert list(await ann.facts(1)) == FACTS * 2
    assert (await ann.look()).memory == "[]"
    await bob.prune(OTHER, [1])
    assert dict((await ann.look()).counts) == {}
    with pytest.raises(PlaceRefused, match="cannot be made by daemon: "):
        await folder(base, *user("daemon", "nogroup")).held()


@pytest.mark.parametrize("owner", ["root", "www-data"])
async def test_a_login_that_may_only_look(base: Path, owner: str) -> None:
    """At another login's folder that the inventory names: it sees all; what changes something is refused,
    with the reason. Where it may not read a file, it is not told that nothing is there."""
    need_root()
    make(base, 0o755)
    shutil.chown(base, owner)
    await used(folder(base, *(() if owner == "root" else user(owner, owner))))
    (base / _PLACE).chmod(0o755)
    for path in (base / _PLACE).rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    before = {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
    viewer = folder(base, *user("nobody", "nogroup"))
    shared = await viewer.look()
    assert viewer.read_only
    assert shared.lock is not None
    assert (shared.lock.holder, list(shared.facts), shared.memory) == (ONE, FACTS, "{}")
    assert dict(shared.summaries) == {1: "{}"}
    assert list(await viewer.facts(1)) == FACTS
    for again in (viewer, folder(base, *user("nobody", "nogroup"))):
        for change in (again.take(OTHER, over=ONE.token), again.ask("halt", "nobody"), again.drop(ONE)):
            with pytest.raises(PlaceRefused, match=r"(written by|shared with) nobody"):
                await change
    assert before == {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
    for file, look in (
        ("deployments/00000001.summary", viewer.look),
        ("deployments/00000001.facts", lambda: viewer.facts(1)),
        ("deployments", viewer.numbers),
        ("lock", viewer.held),
    ):
        (base / _PLACE / file).chmod(0o600)
        with pytest.raises(PlaceRefused, match=f"{file} may not be read by nobody"):
            await look()


async def test_the_users_of_a_socket_share_a_folder(common: Path) -> None:
    """Who is in the socket's group, and nobody else; what somebody else made there beforehand is refused."""
    need_root()
    temporary, path = make(common / "tmp", 0o1777), common / "admin.sock"
    bind = ("unshare", "--mount", "--propagation=private", "sh", "-c")
    seen = (*bind, 'mount --bind "$0" /var/tmp && exec "$@"', str(temporary))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        os.chown(path, 0, 4242)
        root = folder("", *seen, socket=path, meeting="machine")
        member = folder("", *seen, *user("www-data", "4242"), socket=path, meeting="machine")
        stranger = folder("", *seen, *user("nobody", "nogroup"), socket=path, meeting="machine")
        assert await root.take(ONE)
        assert await member.held() is not None
        assert await member.ask("halt", "bob")
        assert await root.beat(ONE) == LockRequests("bob")
        with pytest.raises(PlaceRefused, match="cannot be made by nobody"):
            await stranger.held()
        name = next(name for name in inside(temporary) if name.startswith("rollout-shop-"))
        shutil.rmtree(temporary / name)
        by_nobody(f"mkdir -m 2770 {temporary / name}")
        with pytest.raises(PlaceRefused, match="belongs to nobody:nogroup"):
            await folder("", *seen, socket=path, meeting="machine").held()


async def test_one_socket_is_one_place(base: Path, tmp_path: Path) -> None:
    """Whatever links lead to it; another socket is another place."""
    (make(tmp_path / "haproxy", 0o755) / "admin.sock").touch()
    (tmp_path / "run").symlink_to("haproxy")
    (tmp_path / "admin.sock").symlink_to("run/admin.sock")
    paths = ("haproxy/admin.sock", "run/admin.sock", "admin.sock", "haproxy/../run//admin.sock")
    places = [folder(base, socket=tmp_path / path) for path in paths]
    await places[0].take(ONE)
    for place in places:
        held = await place.held()
        assert held is not None
        assert place.where == places[0].where
    assert await folder(base, socket=tmp_path / "haproxy/other.sock").held() is None


async def test_a_machine_without_flock_is_told_so(base: Path, tmp_path: Path) -> None:
    """With the package that has it."""
    programs = make(tmp_path / "bin", 0o755)
    for name in ("sh", "cat", "mkdir", "head", "stat", "id"):
        (programs / name).symlink_to(str(shutil.which(name)))
    with pytest.raises(PlaceRefused, match="flock is missing there: it comes with util-linux"):
        await folder(base, "env", f"PATH={programs}").held()


async def test_a_login_without_a_home_has_a_place_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In /var/tmp, for this login alone, and the same one the next time."""
    monkeypatch.setenv("HOME", "/proc/nowhere")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    service = f"shop{os.getpid()}"
    try:
        places = [FolderPlace(LocalHost("here"), service, socket=str(tmp_path)) for _ in range(2)]
        assert await places[0].take(ONE) is not None
        held = await places[1].held()
        assert held is not None
        assert held.holder == ONE
        (base,) = Path("/var/tmp").glob(f"rollout-{service}-*")
        assert base.stat().st_mode & 0o7777 == 0o700
    finally:
        for left in Path("/var/tmp").glob(f"rollout-{service}-*"):
            shutil.rmtree(left)
