"""ssh_config as OpenSSH itself reads it: its own program says what it makes of all files, for one host."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rollout.adapters.ssh import local_user
from rollout.adapters.ssh.config_copies import Copies
from rollout.adapters.ssh.options import Options
from rollout.domain import SshTarget

_PATIENCE = 10.0
"""Seconds that it may take: `Match exec` runs commands, and names may be looked up."""

_LOOP = "jumphost loop"


def program() -> str | None:
    """The path of `ssh`; `None` where there is none, or where it refuses to run for want of an account."""
    return shutil.which("ssh") if local_user.account() is not None else None


def ask(ssh: str, target: SshTarget) -> Options:
    """What `ssh` makes of all files of configuration for `target`. Blocks. Raises ValueError."""
    given: list[str] = []
    if target.user is not None:
        given += ["-l", target.user]
    if target.port is not None:
        given += ["-p", str(target.port)]
    if target.identity_file is not None:
        given += ["-o", "IdentityFile=none"]  # the default files are not wanted beside it
    jump = [] if target.jump is None else ["-o", f"ProxyJump={target.jump}"]
    with _own_files() as (files, copies):
        try:
            text = _run([ssh, *files, *given, *jump, *_ASKED, "--", target.host, "true"])
        except ValueError as error:
            if _LOOP not in str(error):
                raise ValueError(copies.named(str(error))) from None
            # `Host *` makes a host its own jump host
            text = _run([ssh, *files, *given, "-o", "ProxyJump=none", *_ASKED, "--", target.host, "true"])
    lines = (line.partition(" ") for line in text.splitlines())
    return Options((keyword, value) for keyword, _, value in lines)


_ASKED = ["-G", "-T", "-o", "RemoteCommand=none", "-o", "ControlPath=%C"]
"""Asked for is a session that runs a command. Of no use here, ControlPath tells what `%C` stands for."""


@contextlib.contextmanager
def _own_files() -> Iterator[tuple[list[str], Copies]]:
    """Arguments for files other than those that `ssh` reads by itself: it looks for no HOME."""
    home, account = local_user.home(), local_user.account()
    if account is None or home == Path(account.pw_dir):
        yield [], Copies(Path(), home)
        return
    with tempfile.TemporaryDirectory(prefix="rollout-") as folder:
        copies = Copies(Path(folder), home)
        yield ["-F", str(copies.write())], copies


def _run(words: list[str]) -> str:
    process = subprocess.Popen(  # noqa: S603 (OpenSSH's own program)
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="surrogateescape",
        start_new_session=True,
    )
    try:
        text, complaint = process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        raise ValueError(f"`ssh -G` did not end within {_PATIENCE:g} s; see Match exec in it") from None
    finally:
        with contextlib.suppress(ProcessLookupError):  # also what a Match exec left behind
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode != 0:
        lines = [line.strip() for line in complaint.splitlines() if ": terminating, " not in line]
        raise ValueError("; ".join(lines) or f"`ssh -G` ended with status {process.returncode}")
    return text
