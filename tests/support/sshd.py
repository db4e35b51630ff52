"""A real sshd on a loopback address: its own host key, its own configuration, one key that may log in."""

from __future__ import annotations

import getpass
import os
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from rollout.domain import SshTarget
from tests.support.until import wait

PROGRAM = Path("/usr/sbin/sshd")


class Sshd:
    """Runs from `start` to `stop`, or as a context manager. Works as root and as an ordinary user.

    Only the user who runs it can log in, with the key `identity_file`. `options` are further lines of
    sshd_config; the first line of a setting counts, so they win over what is written here.
    """

    def __init__(
        self,
        folder: Path,
        *,
        address: str = "127.0.0.1",
        port: int | None = None,
        options: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.address = address
        self.port = port or free_port(address)
        self.user = getpass.getuser()
        self.options = options
        self.identity_file = folder / "id_ed25519"
        self.host_key = folder / "host_key"
        self.authorized_keys = folder / "authorized_keys"
        self.known_hosts = folder / "known_hosts"
        self.state = folder / "state"
        """Where a login keeps its state."""
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        generate_key(self.identity_file)
        generate_key(self.host_key)
        self.authorized_keys.write_text(self.identity_file.with_suffix(".pub").read_text())
        self.trust()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def trust(self) -> None:
        """Write a known_hosts file that knows exactly this host key."""
        kind, key = self.host_key.with_suffix(".pub").read_text().split()[:2]
        self.known_hosts.write_text(f"[{self.address}]:{self.port} {kind} {key}\n")

    def target(self, **changes: Any) -> SshTarget:
        """The target that logs in here with all that it needs, but for `changes`."""
        settings: dict[str, Any] = {
            "host": self.address,
            "user": self.user,
            "port": self.port,
            "identity_file": str(self.identity_file),
            "known_hosts": str(self.known_hosts),
        }
        return SshTarget(**{**settings, **changes})

    def start(self) -> Sshd:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        configuration = self.folder / "sshd_config"
        lines = [
            *self.options,
            f"ListenAddress {self.address}:{self.port}",
            f"HostKey {self.host_key}",
            f"AuthorizedKeysFile {self.authorized_keys}",
            "PidFile none",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            # bash reads no ~/.bashrc with that SHLVL, so this machine's does not matter.
            f"SetEnv SHLVL=2 XDG_STATE_HOME={self.state}",
        ]
        configuration.write_text("\n".join([*lines, ""]))
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "-D", "-e", "-f", configuration],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        try:
            wait(self._answers, f"sshd on {self.address}:{self.port}")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End it with every connection it has and everything that runs in them."""
        if self._process is None:
            return
        self.cut()
        self._process.terminate()
        self._process.wait(10)
        self._process = None

    def cut(self) -> None:
        """End every connection and everything that runs in them, at once; it goes on listening."""
        for pid in descendants(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def abandon(self) -> None:
        """End every connection, and nothing that runs in them."""
        for pid in descendants(self.pid):
            with suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().startswith("sshd"):
                    os.kill(pid, signal.SIGKILL)

    def __enter__(self) -> Sshd:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"sshd ended at once: {self.log}")
        try:
            with socket.create_connection((self.address, self.port), timeout=5) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False


def generate_key(path: Path, *, kind: str = "ed25519", passphrase: str = "") -> None:
    if not path.exists():
        short = ["-b", "2048"] if kind == "rsa" else []  # a longer one takes a second to find
        command = ["ssh-keygen", "-q", "-t", kind, *short, "-N", passphrase, "-C", path.name, "-f", path]
        subprocess.run(command, check=True)


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def descendants(pid: int) -> list[int]:
    """The processes below `pid`, parents before children."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            number, _, rest = stat.read_text(errors="replace").partition(" (")
            parents.setdefault(int(rest.rpartition(") ")[2].split()[1]), []).append(int(number))
    found = list(parents.get(pid, []))
    for child in found:
        found += parents.get(child, [])
    return found
