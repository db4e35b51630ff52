"""The files of a running HAProxy are found and read, however it was started, and no others."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rollout.adapters.haproxy.transport import UnixTransport
from rollout.adapters.local import LocalHost
from rollout.domain import Completed, Reading, UnixSocket
from rollout.engine.configuration import Configuration, Unreadable, read_configuration
from rollout.errors import LoadBalancerUnreachable
from tests.support.started import answering, started
from tests.support.until import until, until_seen
from tests.support.users import NOBODY, SUDOER, need_root

pytestmark = [pytest.mark.every_haproxy, pytest.mark.linux]

DEFAULTS = "defaults\n  mode http\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n"
SHOP = "backend shop\n  server web1 127.0.0.1:1\n"
BLOG = "backend blog\n  server blog1 127.0.0.1:1\n"
NAMESPACES = ("unshare", "--pid", "--mount", "--fork", "--kill-child")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may read, with a path short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix="cf-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def whole(folder: Path, *settings: str) -> str:
    """A configuration with one backend."""
    own = "".join(f"  {line}\n" for line in settings)
    return f"global\n  stats socket {folder}/socket level admin\n{own}{DEFAULTS}{SHOP}"


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def files(configuration: Configuration) -> list[str]:
    """Each file that was read, once, in order."""
    return list(dict.fromkeys(place.rpartition(":")[0] for place in configuration.places))


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        (["-f", "{folder}/work/haproxy.cfg"], ["work/haproxy.cfg"]),
        (["-f", "haproxy.cfg"], ["work/haproxy.cfg"]),
        (["-f", "./haproxy.cfg"], ["work/haproxy.cfg"]),
        (["-C", "{folder}/other", "-f", "haproxy.cfg"], ["other/haproxy.cfg"]),
        (["-f", "haproxy.cfg", "-C", "../other"], ["other/haproxy.cfg"]),
        (["-f", "haproxy.cfg", "-f", "sites"], ["work/haproxy.cfg", "work/sites/B.cfg", "work/sites/a.cfg"]),
        (["-f", "haproxy.cfg", "-f", "{folder}/blog.cfg"], ["work/haproxy.cfg", "blog.cfg"]),
        (["-p", "pid", "--", "haproxy.cfg", "../blog.cfg"], ["work/haproxy.cfg", "work/../blog.cfg"]),
        (["-f", "with space.cfg"], ["work/with space.cfg"]),
    ],
)
async def test_every_way_to_name_the_files(
    haproxy_binary: Path, folder: Path, arguments: list[str], read: list[str]
) -> None:
    """Relative paths are those of HAProxy's own folder, a folder stands for its `.cfg` files in order, and
    each line is known by its file's absolute path."""
    text = whole(folder)
    write(
        folder,
        {
            "work/haproxy.cfg": text,
            "work/with space.cfg": text,
            "other/haproxy.cfg": text,
            "blog.cfg": DEFAULTS + BLOG,
            "work/sites/B.cfg": DEFAULTS + BLOG,
            "work/sites/a.cfg": "# nothing\n",
            "work/sites/.hidden.cfg": "nonsense\n",
            "work/sites/notes.txt": "nonsense\n",
        },
    )
    command: list[str | Path] = [haproxy_binary, "-db", *(word.format(folder=folder) for word in arguments)]
    async with started(folder, *command, work=folder / "work") as (_, reading):
        configuration = await read_configuration(LocalHost("lb1"), reading)
        assert files(configuration) == [f"{folder}/{name}" for name in read]
        assert configuration.text.splitlines()[: text.count("\n")] == text.splitlines()
        assert configuration.places[1] == f"{folder}/{read[0]}:2"
        assert configuration.changed == ""


async def master_hears(folder: Path) -> bool:
    """Whether the master heeds a signal: its worker answers before that."""
    master = UnixTransport("lb1", UnixSocket(f"{folder}/master"))
    with suppress(LoadBalancerUnreachable):
        return b"master" in await master.ask(b"show proc\n")
    return False


@pytest.mark.parametrize("chroot", [False, True])
async def test_a_worker_and_its_master(haproxy_binary: Path, folder: Path, chroot: bool) -> None:
    """A worker that has left its root is read by its master, also after a reload has changed both their
    arguments."""
    if chroot:
        need_root()
    (folder / "jail").mkdir()
    write(folder, {"work/haproxy.cfg": whole(folder, *([f"chroot {folder}/jail"] if chroot else []))})
    command: list[str | Path] = [haproxy_binary, "-W", "-S", f"{folder}/master", "-f", "haproxy.cfg"]
    async with started(folder, *command, work=folder / "work") as (process, reading):
        for _ in range(2):
            configuration = await read_configuration(LocalHost("lb1"), reading)
            assert files(configuration) == [f"{folder}/work/haproxy.cfg"]
            await until_seen(partial(master_hears, folder), "HAProxy's master")
            process.send_signal(signal.SIGUSR2)
            reading = await answering(folder, process, not_pid=reading.pid)


async def test_a_folder_that_it_has_left(haproxy_binary: Path, folder: Path) -> None:
    """Without a master nobody knows what a relative path meant before the chroot: no file is guessed."""
    need_root()
    (folder / "jail").mkdir()
    text = whole(folder, f"chroot {folder}/jail")
    write(folder, {"work/haproxy.cfg": text, "jail/haproxy.cfg": "# another one\n"})
    command: list[str | Path] = [haproxy_binary, "-db", "-f"]
    async with started(folder, *command, "haproxy.cfg", work=folder / "work") as (_, reading):
        with pytest.raises(Unreadable, match=rf"`-f haproxy.cfg`, in a folder that it has left for {folder}"):
            await read_configuration(LocalHost("lb1"), reading)
    async with started(folder, *command, folder / "work/haproxy.cfg", work=folder) as (_, reading):
        assert (await read_configuration(LocalHost("lb1"), reading)).text == text.rstrip()


async def test_a_container(haproxy_binary: Path, folder: Path) -> None:
    """In a container the process has another number, and the same path is another file; the right one of two
    containers is found."""
    need_root()
    inside = folder / "image"
    write(folder, {"image/haproxy.cfg": whole(folder), "etc/haproxy.cfg": "# the machine's own\n"})
    (folder / "other").mkdir()
    write(folder / "other", {"image/haproxy.cfg": whole(folder / "other") + BLOG})

    def contained(image: Path) -> list[str]:
        line = f"mount --bind {image} {folder}/etc && exec {haproxy_binary} -db -f {folder}/etc/haproxy.cfg"
        return [*NAMESPACES, "sh", "-c", line]

    async with started(folder / "other", *contained(folder / "other/image"), work=folder) as (_, other):
        await until(lambda: time.time() >= other.started + 3, "other seconds")
        async with started(folder, *contained(inside), work=folder) as (_, reading):
            assert reading.pid == other.pid == 1
            own, others = [await read_configuration(LocalHost("lb1"), one) for one in (reading, other)]
            assert files(own) == files(others) == [f"{folder}/etc/haproxy.cfg"]
            assert "blog" not in own.text
            assert "blog" in others.text


async def test_a_file_that_was_changed_since(haproxy_binary: Path, folder: Path) -> None:
    """A file that is newer than the process is named: what runs may be something else."""
    write(folder, {"haproxy.cfg": whole(folder), "blog.cfg": DEFAULTS + BLOG})
    command: list[str | Path] = [haproxy_binary, "-db", "-f", "haproxy.cfg", "-f", "blog.cfg"]
    async with started(folder, *command, work=folder) as (_, reading):
        later = reading.started + 60
        os.utime(folder / "blog.cfg", (later, later))
        configuration = await read_configuration(LocalHost("lb1"), reading)
        assert configuration.changed == f"{folder}/blog.cfg"


class As(LocalHost):
    """This machine, as another user of it."""

    def __init__(self, *become: str) -> None:
        super().__init__("lb1")
        self._become = shlex.join(become)

    async def run(self, line: str, **more: Any) -> Completed:
        return await super().run(f"{self._become} sh -c {shlex.quote(line)}", **more)


async def test_other_users(haproxy_binary: Path, folder: Path) -> None:
    """Who may not see HAProxy's folder reads what has an absolute path and guesses nothing else; who may
    `sudo -n` reads everything."""
    need_root()
    nobody, sudoer = As(*NOBODY), As(*SUDOER)
    file = f"{folder}/haproxy.cfg"
    write(folder, {"haproxy.cfg": whole(folder)})
    relative: list[str | Path] = [haproxy_binary, "-db", "-f", "haproxy.cfg"]
    async with started(folder, *relative, work=folder) as (_, reading):
        with pytest.raises(Unreadable, match=r"`-f haproxy.cfg`, in a folder that is not visible to nobody"):
            await read_configuration(nobody, reading)
        assert files(await read_configuration(sudoer, reading)) == [file]
    async with started(folder, *relative, "-C", folder, work=Path("/")) as (_, reading):
        assert files(await read_configuration(nobody, reading)) == [file]
        (folder / "haproxy.cfg").chmod(0o600)
        with pytest.raises(Unreadable, match=f"{file} is not readable by nobody"):
            await read_configuration(nobody, reading)
        assert files(await read_configuration(sudoer, reading)) == [file]


async def test_a_process_that_is_not_there(folder: Path) -> None:
    """A number that no HAProxy has, as where HAProxy runs on another machine than the shell."""
    reading = Reading("lb1", "2.6", os.getpid(), 1, 1, ())
    with pytest.raises(Unreadable, match=f"no HAProxy with the process number {os.getpid()} runs there"):
        await read_configuration(LocalHost("lb1"), reading)
