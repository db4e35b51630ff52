"""A real etcd of any number of members on loopback addresses, with or without TLS and users."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from rollout.domain import EtcdAddress
from tests.support.certificates import Authority
from tests.support.sshd import free_port
from tests.support.until import wait

_QUICK = ("--heartbeat-interval", "50", "--election-timeout", "500")


class Etcd:
    """Runs from `start` to `stop`, or as a context manager.

    With `authority` it speaks TLS alone, and asks for certificates that the authority has signed.
    """

    def __init__(
        self, program: Path, folder: Path, *, members: int = 1, authority: Authority | None = None
    ) -> None:
        self._program = program
        self._folder = folder
        self._authority = authority
        self._ports = [(free_port("127.0.0.1"), free_port("127.0.0.1")) for _ in range(members)]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(f"127.0.0.1:{port}" for port, _ in self._ports)

    def address(self, **changes: Any) -> EtcdAddress:
        """The address with all that is needed to be let in, but for `changes`."""
        given: dict[str, Any] = {"members": self.members, "prefix": "/rollout"}
        if self._authority:
            own = self._authority.issue("client")
            given |= {"ca": str(self._authority.certificate), "certificate": str(own.certificate)}
            given |= {"key": str(own.key)}
        return EtcdAddress(**{**given, **changes})

    def start(self) -> Etcd:
        try:
            for member in range(len(self._ports)):
                self.run(member)
            for member in range(len(self._ports)):
                wait(partial(self.status, member), f"etcd {member}", log=partial(self._log, member))
        except BaseException:
            self.stop()
            raise
        return self

    def run(self, member: int) -> None:
        """Start one member, also again after `kill`."""
        port, peer = self._ports[member]
        scheme = "https" if self._authority else "http"
        everybody = ",".join(
            f"m{number}=http://127.0.0.1:{peer}" for number, (_, peer) in enumerate(self._ports)
        )
        command: list[str | Path] = [self._program, "--name", f"m{member}", "--data-dir"]
        command += [self._folder / f"m{member}", "--initial-cluster", everybody, *_QUICK]
        for kind, url in (("client", f"{scheme}://127.0.0.1:{port}"), ("peer", f"http://127.0.0.1:{peer}")):
            advertise = "--advertise-client-urls" if kind == "client" else "--initial-advertise-peer-urls"
            command += [f"--listen-{kind}-urls", url, advertise, url]
        if self._authority:
            # The gateway of a member is a client of that member, with the member's own certificate.
            own = self._authority.issue("member")
            command += ["--cert-file", own.certificate, "--key-file", own.key, "--client-cert-auth"]
            command += ["--trusted-ca-file", self._authority.certificate]
        with (self._folder / f"m{member}.log").open("ab") as log:
            self._processes[member] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def stop(self) -> None:
        for member in list(self._processes):
            self.kill(member)

    def kill(self, member: int) -> None:
        """End one member at once."""
        process = self._processes.pop(member)
        process.kill()
        process.wait(10)

    def signal(self, member: int, number: signal.Signals) -> None:
        """Such as SIGSTOP, after which the kernel takes connections but no answer comes."""
        os.kill(self._processes[member].pid, number)

    def status(self, member: int) -> dict[str, Any]:
        """What the member says of itself; empty as long as it does not know its leader."""
        with suppress(httpx.HTTPError):
            status = self.ask(member, "maintenance/status")
            if status.get("leader"):
                return status
        return {}

    def leader(self) -> int:
        """The number of the member that leads."""
        for member in self._processes:
            status = self.status(member)
            if status and status["leader"] == status["header"]["member_id"]:
                return member
        raise AssertionError("no member leads")

    def requests(self, *methods: str) -> int:
        """How many requests of these methods the first member has had, of one that speaks no TLS."""
        text = httpx.get(f"http://{self.members[0]}/metrics", timeout=5, trust_env=False).text
        counts = re.findall(r'^grpc_server_started_total\{grpc_method="(\w+)".* (\d+)$', text, re.MULTILINE)
        return sum(int(count) for method, count in counts if method in methods)

    def ask(self, member: int, path: str, token: str = "", **body: Any) -> dict[str, Any]:
        """The member's answer to a request, with the token of a user where it has users."""
        verify: ssl.SSLContext | bool = False
        if self._authority:
            own = self._authority.issue("client")
            verify = ssl.create_default_context(cafile=str(self._authority.certificate))
            verify.load_cert_chain(own.certificate, own.key)
        scheme = "https" if self._authority else "http"
        url = f"{scheme}://{self.members[member]}/v3/{path}"
        headers = {"Authorization": token} if token else {}
        answer = httpx.post(url, json=body, headers=headers, timeout=5, verify=verify, trust_env=False)
        return dict(answer.json())

    def __enter__(self) -> Etcd:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _log(self, member: int) -> str:
        return (self._folder / f"m{member}.log").read_text(errors="replace")[-2000:]
