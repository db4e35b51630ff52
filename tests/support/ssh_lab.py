"""A small world for SSH: a node, a jump host, keys, an agent, an authority, and a home to try them from.

It lives in a mount namespace, in which the account of this user, /etc/hosts and /etc/ssh are the lab's own:
`ssh` looks for no HOME and has no option for the system's file.
"""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.support.ssh_cases import WHERE, Case
from tests.support.sshd import Sshd, generate_key

CHEAP = "KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp384"
"""What an sshd needs little time for."""

FORWARD = """\
#!{python}
import os, select, socket, sys
far = socket.create_connection((sys.argv[1], int(sys.argv[2])))
ends = {{0: far.fileno(), far.fileno(): 1}}
while True:
    for end in select.select(list(ends), [], [])[0]:
        data = os.read(end, 65536)
        if not data:
            sys.exit()
        os.write(ends[end], data)
"""


_NAMESPACE = (
    'mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/hosts" /etc/hosts && '
    'mount --bind "$1/etc-ssh" /etc/ssh || exit; export HOME="$1/home"; shift; exec "$@"'
)


def inside(folder: Path, *words: str) -> list[str]:
    """Words that run `words` where the lab in `folder` can live. Needs root."""
    account = pwd.getpwuid(os.getuid())
    for name in ("home", "etc-ssh"):
        (folder / name).mkdir(parents=True)
    lines = Path("/etc/passwd").read_text().splitlines()
    others = [line for line in lines if not line.startswith(f"{account.pw_name}:")]
    own = f"{account.pw_name}:x:{account.pw_uid}:{account.pw_gid}::{folder}/home:/bin/bash"
    (folder / "passwd").write_text("\n".join([own, *others, ""]))
    hosts = Path("/etc/hosts").read_text()
    (folder / "hosts").write_text(f"{hosts}\n127.0.0.21 web1.example.internal web1.example.internal.\n")
    unshare = ["unshare", "--mount", "--propagation=private", "sh", "-c", _NAMESPACE, "sh"]
    return [*unshare, str(folder), *words]


class SshLab:
    """The world, from `start` to the end of the stack."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.etc = folder / "etc-ssh"
        self.keys = folder / "keys"
        options = (
            "ExposeAuthInfo yes",
            "AcceptEnv *",
            f"TrustedUserCAKeys {self.keys}/authority.pub",
            f"HostKey {self.keys}/second",
            f"HostCertificate {folder}/node/host_key-cert.pub",
            "LogLevel VERBOSE",
            CHEAP,
        )
        self.node = Sshd(folder / "node", address="127.0.0.21", options=options)
        self.jump = Sshd(folder / "jump", address="127.0.0.22", options=(CHEAP,))
        self.inner = Sshd(folder / "inner", address="127.0.0.23", options=(CHEAP,))
        self.servers = (self.node, self.jump, self.inner)
        self._make_keys()
        for server in self.servers:
            (server.folder / "log").touch()

    def names(self) -> dict[str, str]:
        """What the cases call things."""

        def public(key: Path) -> str:
            return " ".join(key.with_name(f"{key.name}.pub").read_text().split()[:2])

        node, jump = self.node, self.jump
        return {
            "NODE": node.address,
            "PORT": str(node.port),
            "JUMP": jump.address,
            "JUMP_PORT": str(jump.port),
            "INNER": self.inner.address,
            "INNER_PORT": str(self.inner.port),
            "USER": getpass.getuser(),
            "HOME": str(self.home),
            "AGENT": str(self.folder / "agent"),
            "EMPTY_AGENT": str(self.folder / "empty-agent"),
            "FORWARD": str(self.folder / "forward"),
            "STRANGER": public(self.keys / "stranger"),
            "HOST_KEY": public(node.host_key),
            "HOST_RSA": public(self.keys / "second"),
            "HOST_CA": public(self.keys / "authority"),
            "KNOWN": "".join(server.known_hosts.read_text() for server in self.servers),
        }

    def start(self, running: ExitStack) -> SshLab:
        """Start each sshd, an agent that holds `held` and `locked`, and one that holds nothing."""
        for name in ("agent", "empty-agent"):
            command = ["ssh-agent", "-D", "-a", str(self.folder / name)]
            agent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            running.callback(agent.communicate)
            running.callback(agent.terminate)
            assert agent.stdout is not None
            agent.stdout.readline()
        environment = os.environ | {"SSH_AUTH_SOCK": str(self.folder / "agent")}
        added = [self.keys / name for name in ("held", "locked")]
        subprocess.run(["ssh-add", "-q", *added], check=True, env=environment, stdin=subprocess.DEVNULL)
        passphrase = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", self.keys / "locked"]
        subprocess.run(passphrase, check=True, stdout=subprocess.DEVNULL)
        for server in self.servers:
            running.enter_context(server)
        return self

    def _make_keys(self) -> None:
        self.keys.mkdir()
        for name in ("id_ed25519", "held", "locked", "stranger", "vouched", "authority"):
            generate_key(self.keys / name)
        command = ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", self.keys / "second"]
        subprocess.run(command, check=True)
        let_in = [self.keys / f"{name}.pub" for name in ("id_ed25519", "second", "held", "locked")]
        for server in self.servers:
            server.authorized_keys.write_text("".join(file.read_text() for file in let_in))
        user, signer = getpass.getuser(), ["ssh-keygen", "-q", "-s", self.keys / "authority", "-I", "lab"]
        for name in ("stranger", "vouched", "held"):
            subprocess.run([*signer, "-n", user, self.keys / f"{name}.pub"], check=True)
        host = ["-h", "-n", f"{self.node.address},shop", f"{self.node.host_key}.pub"]
        subprocess.run([*signer, *host], check=True)
        (self.keys / "stranger-cert.pub").rename(self.keys / "signed.pub")
        (self.keys / "held-cert.pub").rename(self.keys / "held-signed.pub")
        forward = self.folder / "forward"
        forward.write_text(FORWARD.format(python=sys.executable))
        forward.chmod(0o755)

    def arrange(self, case: Case) -> dict[str, str]:
        """Write the files of a case; its environment."""
        names = self.names()
        for folder in (self.home, self.etc):
            for entry in folder.iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        ssh = self.home / ".ssh"
        shutil.copytree(self.keys, ssh)
        ssh.chmod(0o700)
        (ssh / "held").unlink()
        for copy in ("a key", f"web1_{names['USER']}"):
            shutil.copy(ssh / "second", ssh / copy)
        (ssh / "web1.agent").symlink_to(self.folder / "agent")
        for file in ("known_web1", "known here"):
            (ssh / file).write_text(names["KNOWN"])
        known = "{KNOWN}" if case.known is None else case.known
        texts = {".ssh/known_hosts": known, ".ssh/config": case.config + ("" if case.bare else WHERE)}
        for place, text in {**texts, **case.files}.items():
            file = self.etc / place.removeprefix("/etc/ssh/") if place.startswith("/") else self.home / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.format_map(names))
            file.chmod(0o600)
        return {name: value.format_map(names) for name, value in case.environment.items()}
