"""A UNIX socket on the host, such as HAProxy's: asked through sshd itself, or by a program there."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from rollout.adapters.ssh import SshHost, SshPool
from rollout.adapters.ssh.relay import EXPLAIN, answer, explained, relay
from rollout.errors import AnswerLost, CommandTimedOut, HostError
from tests.support.needs import missing
from tests.support.sshd import Sshd

StartSshd = Callable[..., Sshd]
Server = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=["yes", "no"])
def sshd(request: pytest.FixtureRequest, start_sshd: StartSshd) -> Sshd:
    """Once an sshd that reaches sockets itself, once one that must not."""
    return start_sshd(options=(f"AllowStreamLocalForwarding {request.param}",))


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "admin's, own.sock")


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"<" + await reader.read() + b">")
    writer.close()


def ask(sshd: Sshd, path: str, work: Callable[[SshHost], Awaitable[object]], server: Server = echo) -> object:
    async def run() -> object:
        listening = await asyncio.start_unix_server(server, path)
        async with listening, SshPool() as pool:
            return await work(pool.host("lb1", sshd.target()))

    return asyncio.run(run())


def refusal(sshd: Sshd, path: str) -> HostError:
    async def run() -> None:
        async with SshPool() as pool:
            await pool.host("lb1", sshd.target()).stream_query(path, b"show info\n", 10.0)

    with pytest.raises(HostError, match=r"^lb1: ") as caught:
        asyncio.run(run())
    return caught.value


def test_question_and_answer(sshd: Sshd, path: str) -> None:
    """The whole answer comes back; the other side sees the end of the question."""
    assert ask(sshd, path, lambda host: host.stream_query(path, b"show info\n", 10.0)) == b"<show info\n>"


def test_long_and_binary(sshd: Sshd, path: str) -> None:
    """Megabytes of any bytes, both ways."""
    request = bytes(range(256)) * 12_000
    assert ask(sshd, path, lambda host: host.stream_query(path, request, 30.0)) == b"<" + request + b">"


def test_many_at_once(sshd: Sshd, path: str) -> None:
    """More questions at once than an sshd takes sessions."""

    async def work(host: SshHost) -> list[bytes]:
        return await asyncio.gather(*(host.stream_query(path, b"%d" % number, 20.0) for number in range(40)))

    assert ask(sshd, path, work) == [b"<%d>" % number for number in range(40)]


def test_server_that_does_not_listen_to_the_end(start_sshd: StartSshd, path: str) -> None:
    """An answer that comes before the question was read is an answer."""

    async def hasty(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"busy")
        writer.close()

    sshd = start_sshd()
    assert ask(sshd, path, lambda host: host.stream_query(path, b"?", 10.0), hasty) == b"busy"


def test_no_answer_in_time(sshd: Sshd, path: str) -> None:
    """A question that is not answered is given up, and the next one is asked as if nothing had been."""
    asked = 0

    async def silent_at_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            await echo(reader, writer)
        else:
            await reader.read()
            await asyncio.sleep(30)

    async def work(host: SshHost) -> bytes:
        await host.connect()
        with pytest.raises(CommandTimedOut, match="did not answer within"):
            await host.stream_query(path, b"?", 0.5)
        return await host.stream_query(path, b"!", 10.0)

    assert ask(sshd, path, work, silent_at_first) == b"<!>"


def test_connection_that_breaks(sshd: Sshd, path: str) -> None:
    """Whether a question that was sent has been obeyed is unknown if the connection breaks."""
    begun = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()
        begun.set()
        await asyncio.sleep(30)

    async def work(host: SshHost) -> None:
        running = asyncio.create_task(host.stream_query(path, b"set server", 20.0))
        await asyncio.wait_for(begun.wait(), 10)
        sshd.cut()
        with pytest.raises(AnswerLost, match=r"^lb1: "):
            await running

    ask(sshd, path, work, slow)


def test_cancelling(sshd: Sshd, path: str) -> None:
    """A cancelled question leaves the connection as it was."""
    begun = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if begun.is_set():
            await echo(reader, writer)
            return
        begun.set()
        await asyncio.sleep(30)

    async def work(host: SshHost) -> bytes:
        running = asyncio.create_task(host.stream_query(path, b"?", 20.0))
        await asyncio.wait_for(begun.wait(), 10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return await host.stream_query(path, b"!", 10.0)

    assert ask(sshd, path, work, slow) == b"<!>"
    assert sshd.log.count("Accepted publickey") == 1


def test_missing_socket(sshd: Sshd, path: str) -> None:
    """What is wrong is looked up on the host, and said."""
    assert str(refusal(sshd, path)) == f"lb1: {path} does not exist"


def test_file_that_is_no_socket(sshd: Sshd, path: str) -> None:
    """Not every path is a socket's."""
    Path(path).write_text("")
    assert f"{path} is not a socket" in str(refusal(sshd, path))


def test_socket_without_a_server(sshd: Sshd, path: str) -> None:
    """A server that ended leaves its socket file behind."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    assert f"nothing listens on {path}" in str(refusal(sshd, path))


def test_nothing_runs_on_the_host(start_sshd: StartSshd, path: str) -> None:
    """Where sshd reaches the socket, no session is opened for a question."""
    sshd = start_sshd(options=("LogLevel VERBOSE",))

    async def work(host: SshHost) -> int:
        await host.connect()
        before = sshd.log.count("Starting session")
        await host.stream_query(path, b"?", 10.0)
        return sshd.log.count("Starting session") - before

    assert ask(sshd, path, work) == 0


@pytest.mark.parametrize("program", ["socat", "nc", "python3"])
def test_programs_that_reach_a_socket(path: str, tmp_path: Path, program: str) -> None:
    """Each of the three ways past sshd works where it is the only one."""
    found = sys.executable if program == "python3" else shutil.which(program)
    if found is None:
        missing(f"needs {program}")
    only = tmp_path / "bin"
    only.mkdir()
    (only / program).symlink_to(Path(found).resolve())
    for name in ("sh", "grep"):
        (only / name).symlink_to(f"/bin/{name}")

    async def run() -> bytes:
        async with await asyncio.start_unix_server(echo, path):
            process = await asyncio.create_subprocess_exec(
                *relay(path),
                env={"PATH": str(only)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            answer, _ = await asyncio.wait_for(process.communicate(b"show info\n"), 10)
            return answer

    assert answer(asyncio.run(run())) == b"<show info\n>"


@pytest.mark.parametrize("at", ["socket", "folder"])
def test_no_permission(at: str, tmp_path: Path) -> None:
    """Who may not use a socket is told who they are and whose it is."""
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.getuid() and parent != Path("/"):
            parent.chmod(0o755)
    folder = tmp_path / "run"
    folder.mkdir()
    path = folder / "admin.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        (path if at == "socket" else folder).chmod(0)
        nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        done = subprocess.run(
            ["sh", "-c", EXPLAIN],
            env={**os.environ, "ROLLOUT_SOCKET": str(path)},
            capture_output=True,
            text=True,
            check=True,
            **nobody,  # type: ignore[call-overload]
        )
        folder.chmod(0o755)
    message, hint = explained(str(path), done.stdout.splitlines())
    assert message.startswith(f"no permission for {path} (")
    assert "uid=" in message
    assert "group" in str(hint)


def test_host_without_any_program() -> None:
    """The way out is named: allow it in sshd, or install a program."""
    message, hint = explained("/run/admin.sock", ["closed", "srw-rw----", "uid=0(root)"])
    assert "socat" in message
    assert "AllowStreamLocalForwarding yes" in str(hint)
