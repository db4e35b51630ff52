"""Logins that run something else than what they are asked, or print something besides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from rollout.adapters.local import LocalHost
from rollout.adapters.ssh import SshPool
from rollout.domain import Completed, SshTarget
from rollout.errors import NotRun
from tests.support.sshd import Sshd

StartSshd = Callable[..., Sshd]

NOTHING_RUNS = {
    "/bin/true": "printed nothing",
    "/usr/sbin/nologin": "exit status 1, and printed: This account is currently not available.",
    "echo Maintenance until noon; exit 0": "exit status 0, and printed: Maintenance until noon",
    "cat": "exit status 0",  # the script comes back as it was sent
    "sh -xnv": "exit status 0",
    "rbash -c 'exec sh -c true'": "restricted",
}
"""Logins that run no command, by what the error says of them."""

NOISY = (
    "ForceCommand echo 'setlocale: no such locale' >&2; echo motd; "
    '{} "$SSH_ORIGINAL_COMMAND"; echo bye; exit 0'
)
"""A login that prints on both streams before and after a command, and ends with a status of its own."""


async def run(target: SshTarget, line: str) -> Completed:
    async with SshPool() as pool:
        return await pool.host("web1", target).run(line, environment={"ROLLOUT_X": "x"}, timeout=20.0)


async def answer(target: SshTarget, path: str) -> bytes:
    """What a UNIX socket that answers `fine` is heard to say."""

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.write(b"\nfine\n")
        writer.close()

    async with await asyncio.start_unix_server(server, path), SshPool() as pool:
        return await pool.host("lb1", target).stream_query(path, b"?\n", 10.0)


@pytest.mark.parametrize("login", NOTHING_RUNS)
async def test_what_never_ran_is_no_success(start_sshd: StartSshd, tmp_path: Path, login: str) -> None:
    """Whatever exit status such a login has: the error shows what it printed."""
    sshd = start_sshd(options=(f"ForceCommand {login}",))
    ran = tmp_path / "ran"
    with pytest.raises(NotRun, match=r"^web1: the command did not run: ") as caught:
        await run(sshd.target(), f"touch {ran}")
    assert NOTHING_RUNS[login] in str(caught.value)
    assert not ran.exists()


@pytest.mark.parametrize("login", NOTHING_RUNS)
async def test_no_socket_has_answered(start_sshd: StartSshd, tmp_path: Path, login: str) -> None:
    """Nor is what such a login prints an answer of a socket that a program on the host is to ask."""
    sshd = start_sshd(options=(f"ForceCommand {login}", "AllowStreamLocalForwarding no"))
    with pytest.raises(NotRun, match=r"^lb1: the command did not run: "):
        await answer(sshd.target(), str(tmp_path / "admin.sock"))


async def test_the_status_is_the_commands_own(start_sshd: StartSshd) -> None:
    """A login that says 0 to everything and prints on both streams hides neither status nor output."""
    sshd = start_sshd(options=(NOISY.format("sh -c"),))
    failed = await run(sshd.target(), "printf 'half a line'; exit 3")
    assert (failed.status, failed.tail[0]) == (3, "half a line")
    assert (await run(sshd.target(), "true")).status == 0


async def test_noise_is_no_answer(start_sshd: StartSshd, tmp_path: Path) -> None:
    """What a login prints before a socket's answer, on either stream, is no part of it."""
    sshd = start_sshd(options=(NOISY.format("exec sh -c"), "AllowStreamLocalForwarding no"))
    assert await answer(sshd.target(), str(tmp_path / "admin.sock")) == b"\nfine\n"


@pytest.mark.parametrize("shell", ["dash", "bash"])
async def test_a_line_may_do_as_it_likes(shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that replaces its shell, has a trap of its own, or is no shell at all keeps its exit status."""
    (tmp_path / "sh").symlink_to(f"/bin/{shell}")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/sbin:/usr/bin:/bin")
    host = LocalHost("web1")
    lines = {"exec sh -c 'exit 4'": 4, "trap 'echo x' EXIT; exit 5": 5, "kill -9 $$": 137, ") oops": 2, "": 0}
    seen = {line: (await host.run(line, environment={}, timeout=20.0)).status for line in lines}
    assert seen == lines
