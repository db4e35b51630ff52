"""What the kernel does with connections that wait, when one of several listening sockets closes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.support.loopback import own_address

CLIENTS = 60
PORT = 8000


def listening(address: str) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((address, PORT))
    listener.listen(CLIENTS)
    listener.setblocking(False)
    return listener


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def answered(listener: socket.socket) -> int:
    """Answer all connections that wait at the socket, and count them."""
    count = 0
    with suppress(BlockingIOError):
        while True:
            connection, _ = listener.accept()
            with connection:
                assert connection.recv(100) == b"request"
                connection.sendall(b"here")
            count += 1
    return count


def outcome(client: socket.socket) -> str:
    try:
        return client.recv(100).decode()
    except ConnectionResetError:
        return "reset"


def asking(stack: ExitStack, address: str) -> list[socket.socket]:
    """Clients whose connection the kernel has accepted, and whose request it has."""
    clients = [
        stack.enter_context(socket.create_connection((address, PORT), timeout=20)) for _ in range(CLIENTS)
    ]
    for client in clients:
        client.sendall(b"request")
    return clients


def test_so_reuseport_loses_what_waits_at_the_socket_that_closes(stack: ExitStack) -> None:
    """Each process has a queue of its own, and all who wait in it are reset, whoever else listens there."""
    migrate = Path("/proc/sys/net/ipv4/tcp_migrate_req")
    if migrate.exists() and migrate.read_text().strip() != "0":
        pytest.skip("this kernel is set to hand such connections to the others")
    address = own_address()
    leaves, stays = listening(address), stack.enter_context(listening(address))
    clients = asking(stack, address)
    leaves.close()
    saved = answered(stays)
    outcomes = [outcome(client) for client in clients]
    assert 0 < saved < CLIENTS
    assert outcomes.count("here") == saved
    assert outcomes.count("reset") == CLIENTS - saved


def test_one_socket_that_many_hold_loses_nothing(stack: ExitStack) -> None:
    """The queue belongs to the socket, and the socket to all who inherited it: who closes takes nothing."""
    address = own_address()
    leaves = listening(address)
    stays = stack.enter_context(leaves.dup())
    clients = asking(stack, address)
    leaves.close()
    assert answered(stays) == CLIENTS
    assert {outcome(client) for client in clients} == {"here"}
