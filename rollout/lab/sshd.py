"""sshd on the address of a machine, with keys made for this lab alone."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path

from rollout.errors import UsageError
from rollout.lab.files import fill
from rollout.lab.machines import Machine
from rollout.lab.processes import MARK


def user() -> str:
    """The name of the user who logs in: the one who runs this. Raises UsageError."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        raise UsageError(f"The user {os.getuid()} has no name here, so sshd would let nobody in") from None


def make_keys(keygen: str, home: Path, machines: Iterable[Machine], port: int) -> None:
    """Make a host key for each machine, the client's `id_ed25519`, and its `known_hosts`."""
    (home / "ssh").mkdir()
    _make_key(keygen, home / "ssh" / "id_ed25519", comment="lab")
    with (home / "ssh" / "known_hosts").open("w") as known_hosts:
        for machine in machines:
            _make_key(keygen, machine.folder / "host_key", comment=machine.name)
            kind, key, _ = (machine.folder / "host_key.pub").read_text().split(maxsplit=2)
            known_hosts.write(f"[{machine.host}]:{port} {kind} {key}\n")


def start(sshd: str, home: Path, machine: Machine, port: int, mark: str, environment: dict[str, str]) -> None:
    """Start an sshd, which goes to the background by itself; `answers` says when it listens."""
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # Debian's sshd refuses to run without it as root
    config = machine.folder / "sshd_config"
    pam = "yes" if _locked() else "no"
    config.write_text(
        fill(
            "sshd_config",
            name=machine.name,
            host=machine.host,
            port=port,
            folder=machine.folder,
            home=home,
            pam=pam,
        )
    )
    # sshd overwrites its environment with its title; logins get one of their own: so the mark is an option.
    # With that SHLVL, bash reads no ~/.bashrc: what this user has in it is not the lab's business.
    # What rollout notes on the machine goes with the lab.
    variables = f'SetEnv={MARK}={mark} SHLVL=2 "XDG_STATE_HOME={machine.folder}/state"'
    log = machine.folder / "sshd.log"
    subprocess.run([sshd, "-f", config, "-E", log, "-o", variables], env=environment, check=True)


def answers(machine: Machine, port: int) -> bool:
    """Whether an sshd answers on the machine."""
    try:
        with socket.create_connection((machine.host, port), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _make_key(keygen: str, path: Path, comment: str) -> None:
    subprocess.run(
        [keygen, "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path],
        stdin=subprocess.DEVNULL,
        check=True,
    )


def _locked() -> bool:
    """Whether this user's password is locked, as root's often is: then a key is enough only with PAM."""
    try:
        lines = Path("/etc/shadow").read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith(f"{user()}:!") for line in lines)
