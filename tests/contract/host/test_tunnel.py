"""HTTP to nodes behind a jump host, against a real sshd and a real web server."""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rollout.adapters.http import HttpxClient
from rollout.adapters.ssh import SshPool
from rollout.domain import Answer, SshTarget
from rollout.errors import NobodyListens, RequestFailed
from tests.support.sshd import Sshd, free_port

StartSshd = Callable[..., Sshd]


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"shop is well " * 10_000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def page() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/_status"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def bastion(start_sshd: StartSshd) -> Sshd:
    return start_sshd("bastion", address="127.0.0.6")


def behind(bastion: Sshd, sshd: Sshd) -> SshTarget:
    sshd.known_hosts.write_text(sshd.known_hosts.read_text() + bastion.known_hosts.read_text())
    bastion.authorized_keys.write_text(sshd.authorized_keys.read_text())
    return sshd.target(jump=f"{bastion.user}@{bastion.address}:{bastion.port}")


def ask(target: SshTarget, url: str) -> Answer:
    async def once() -> Answer:
        direct = HttpxClient()
        try:
            async with SshPool() as pool:
                return await pool.http_client(target, direct).request("GET", url, timeout=5.0)
        finally:
            await direct.aclose()

    return asyncio.run(once())


def test_a_page_behind_a_jump_host_is_asked_over_ssh(sshd: Sshd, bastion: Sshd, page: str) -> None:
    """The whole answer arrives, by way of the node's own sshd."""
    answer = ask(behind(bastion, sshd), page)

    assert (answer.status, answer.body) == (200, "shop is well " * 10_000)


def test_it_is_the_node_that_connects(start_sshd: StartSshd, bastion: Sshd, page: str) -> None:
    """A node whose sshd forwards nothing is why the page cannot be asked, and the hint says so."""
    node = start_sshd(address="127.0.0.5", options=("AllowTcpForwarding no",))

    with pytest.raises(RequestFailed, match="does not allow forwarding") as failure:
        ask(behind(bastion, node), page)

    assert failure.value.hint is not None
    assert "AllowTcpForwarding" in failure.value.hint


def test_without_a_jump_host_the_page_is_asked_directly(start_sshd: StartSshd, page: str) -> None:
    """No SSH is needed then, and none is opened."""
    node = start_sshd(address="127.0.0.5", options=("AllowTcpForwarding no",))

    assert ask(node.target(), page).status == 200
    assert "Accepted publickey" not in node.log


def test_a_page_that_nobody_serves_is_a_refused_connection(sshd: Sshd, bastion: Sshd) -> None:
    """As without a tunnel: asking again at once is worth it."""
    with pytest.raises(NobodyListens):
        ask(behind(bastion, sshd), f"http://127.0.0.1:{free_port('127.0.0.1')}/_status")


def test_a_jump_host_that_cannot_be_reached_is_named(sshd: Sshd, bastion: Sshd, page: str) -> None:
    """The failure is one of asking the page, and says which host is at fault."""
    target = behind(bastion, sshd)
    bastion.stop()

    with pytest.raises(RequestFailed, match="jump host"):
        ask(target, page)
