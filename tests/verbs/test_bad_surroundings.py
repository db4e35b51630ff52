"""What a load balancer or a node gets that cannot be used: a message, exit code 3, and nothing is touched."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cli_support import Shell, refused, words

from tests.support.needs import missing
from tests.support.sshd import PROGRAM, Sshd, generate_key


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """A UNIX socket that answers everybody, and that is no HAProxy."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        connection.recv(65536)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)


NOT_HAPROXY = {
    "a web server": (b"HTTP/1.1 400 Bad Request\r\n\r\nwhat?\n", "not HAProxy's runtime socket"),
    "silence": (b"", "closed before the answer was complete"),
    "noise": (bytes(range(256)) * 100 + b"\n", "not HAProxy's runtime socket"),
    "half of HAProxy": (b"Name: HAProxy\nVersion: 3.0\n\n", "closed before the answer was complete"),
}


def behind(shell: Shell, haproxy: str, **changes: Any) -> None:
    shell.write(drain=None, load_balancers={"lb1": {"haproxy": haproxy}}, **changes)


@pytest.mark.parametrize("what", NOT_HAPROXY)
@pytest.mark.parametrize("verb", ["deploy", "plan", "drain"])
def test_a_socket_that_is_not_haproxy(shell: Shell, what: str, verb: str) -> None:
    """It is refused before anything is touched, whatever it answers."""
    answer, message = NOT_HAPROXY[what]
    behind(shell, f"unix://{shell.folder}/lb.sock")
    with answering(shell.folder / "lb.sock", answer):
        refused(shell.run(*words(verb)), 3, "lb1: ", message)
    assert shell.restarted == []


@pytest.mark.parametrize(
    ("haproxy", "message"),
    [
        ("unix:///nowhere/lb.sock", "does not exist"),
        ("unix:///etc/passwd", "nothing listens"),
        ("unix:///" + "x" * 200, "path too long"),
        ("tcp://127.0.0.1:1", "nothing listens"),
        ("tcp://[::1]:1", "nothing listens"),
        ("ssh://127.0.0.1:1/run/lb.sock", "lb1: "),
    ],
)
def test_a_load_balancer_that_cannot_be_reached(shell: Shell, haproxy: str, message: str) -> None:
    """A deployment is refused; `status` shows it as a row; `check` as a problem."""
    behind(shell, haproxy)
    refused(shell.run("deploy"), 3, "lb1: ", message)
    assert shell.restarted == []
    status = shell.run("status", "--output", "json")
    assert status.code == 0
    assert ("what others deployed" in status.error) == haproxy.startswith("ssh:"), "the state lies there, too"
    document = json.loads(status.out)
    assert {node["state"] for node in document["nodes"]} == {"unknown"}
    assert [node["servers"][0]["status"] for node in document["nodes"]] == ["unreachable"] * 2
    check = shell.run("check")
    assert (check.code, check.error) == (3, "")
    assert "lb1" in check.out


def test_a_load_balancer_that_may_not_be_asked(shell: Shell) -> None:
    """The level of its socket is no business of a traceback."""
    path = shell.folder / "lb.sock"
    behind(shell, f"unix://{path}")
    with answering(path, b"Permission denied\n\n"):
        refused(shell.run("deploy"), 3, "lb1: ")


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    if not PROGRAM.exists():
        missing("needs the package openssh-server")
    with Sshd(tmp_path / "sshd") as server:
        yield server


def by_ssh(shell: Shell, server: Sshd, **changes: Any) -> None:
    settings = {
        "user": server.user,
        "port": server.port,
        "identity_file": str(server.identity_file),
        "known_hosts": str(server.known_hosts),
    }
    nodes = {"web1": {"host": server.address}, "web2": {"host": server.address}}
    shell.write(ssh=settings | changes, nodes=nodes)


def test_a_deployment_over_ssh(shell: Shell, sshd: Sshd) -> None:
    """With the right key and a known host it is done: the refusals below are no accident."""
    by_ssh(shell, sshd)
    ran = shell.run("deploy")
    assert ran.code == 0, ran
    assert shell.restarted == ["web1", "web2"]


def test_a_wrong_ssh_key(shell: Shell, sshd: Sshd) -> None:
    """Every node is named with the key that was tried, and what would let us in."""
    generate_key(shell.folder / "stranger")
    by_ssh(shell, sshd, identity_file=str(shell.folder / "stranger"))
    ran = shell.run("deploy")
    refused(ran, 3, "web1: ", "web2: ", "accepts none of these keys", "stranger", "hint: ssh-copy-id ")
    assert shell.restarted == []


def test_an_unknown_host_key(shell: Shell, sshd: Sshd) -> None:
    """It is refused with the line that would add it; nothing is added by itself."""
    sshd.known_hosts.write_text("")
    by_ssh(shell, sshd)
    refused(shell.run("deploy"), 3, "web1: its host key is unknown", "ssh-keyscan")
    assert shell.restarted == []
    assert sshd.known_hosts.read_text() == ""


def test_a_changed_host_key(shell: Shell, sshd: Sshd) -> None:
    """Somebody may be listening in: it is refused, and nothing was sent."""
    kind, key = (sshd.identity_file.with_suffix(".pub")).read_text().split()[:2]
    sshd.known_hosts.write_text(f"[{sshd.address}]:{sshd.port} {kind} {key}\n")
    by_ssh(shell, sshd)
    refused(shell.run("deploy"), 3, "web1: its host key has changed")
    assert shell.restarted == []


@pytest.mark.parametrize("key", ["missing", "/etc/passwd", "/dev/null"])
def test_an_identity_file_that_is_none(shell: Shell, sshd: Sshd, key: str) -> None:
    """A path that is wrong and a file that is no key are told as such."""
    by_ssh(shell, sshd, identity_file=key)
    refused(shell.run("deploy"), 3, "web1: ", key)
