"""What becomes of old workers, of children that are none, and of workers that do not report."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from gunicorn_support import PORT, GunicornShop

from rollout.agents.common import proc
from rollout.agents.common.talk import Untouched
from tests.support.until import wait

STREAMS = """
import time
def application(environ, start_response):
    start_response("200 OK", [])
    yield b"1"
    while environ["PATH_INFO"] == "/stream":
        time.sleep(0.1)
        yield b"1"
"""
HELPER = """
import os, signal, time
from pathlib import Path
def {hook}:
    if "ROLLOUT_TRIAL" in os.environ or Path("helper").exists() or os.fork():
        return
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    Path("helper").write_text(str(os.getpid()))
    time.sleep(120)
    os._exit(0)
"""


@pytest.mark.parametrize("mode", ["rolling", "reload", "upgrade"])
def test_a_client_that_stays(newest: GunicornShop, mode: str) -> None:
    """An open stream holds its old worker for as long as `drain` says; the release is not called broken."""
    (newest.folder / "shop.py").write_text(STREAMS)
    newest.start()
    old = newest.workers()
    newest.put("2")
    with _stream(newest.host):
        status, printed = newest.restart(mode, drain="1s", timeout=25)
    assert status == 0, printed
    assert printed.count("still has clients after 1 s (`drain`)") == 1
    assert not newest.workers() & old
    assert len(newest.workers()) == 3


@contextmanager
def _stream(host: str) -> Iterator[None]:
    """A client that reads a stream without an end."""
    with socket.create_connection((host, PORT)) as client:
        client.sendall(b"GET /stream HTTP/1.0\r\n\r\n")
        assert client.recv(100)
        yield


def test_a_helper_of_the_master_is_no_worker(newest: GunicornShop) -> None:
    """A process that the master forked looks like a worker, and gets no signal."""
    _is_no_worker(newest, "when_ready(server)")


def test_a_helper_that_came_with_a_worker_is_none(debians: GunicornShop) -> None:
    """Nor does one that was forked together with the first worker, whose file it has."""
    _is_no_worker(debians, "pre_fork(server, worker)")


def _is_no_worker(shop: GunicornShop, hook: str) -> None:
    shop.configure(HELPER.format(hook=hook))
    shop.start()
    wait((shop.folder / "helper").exists, "the helper")
    helper = proc.find(int((shop.folder / "helper").read_text()))
    assert helper is not None
    try:
        assert proc.command_line(helper) == proc.command_line(shop.master)
        old = shop.workers()
        assert (len(old), helper in old) == (3, False)
        status, printed = shop.restart("rolling")
        assert status == 0, printed
        assert (len(shop.workers()), shop.workers() & old) == (3, set())
        assert proc.lives(helper)
    finally:
        os.kill(helper.pid, signal.SIGKILL)


def test_a_running_master_that_lacks_the_hook(newest: GunicornShop) -> None:
    """The hook in the file does not help a master that was started before: that is said at once."""
    configuration = newest.folder / "gunicorn.conf.py"
    right = configuration.read_text()
    configuration.write_text(right.replace("post_worker_init =", "unused ="))
    newest.start()
    old = newest.workers()
    configuration.write_text(right)
    status, printed = newest.restart("rolling")
    assert status == Untouched.exit_status
    assert "the running master does not know the hook" in printed.splitlines()[-1]
    assert "mode: reload or mode: upgrade" in printed.splitlines()[-1]
    assert newest.workers() == old
    status, printed = newest.restart("reload")
    assert status == 0, printed
    status, printed = newest.restart("rolling")
    assert status == 0, printed


def test_workers_that_are_being_replaced_are_counted(newest: GunicornShop) -> None:
    """All were killed as the agent starts: there are as many afterwards as there should be."""
    newest.start()
    for worker in newest.workers():
        os.kill(worker.pid, signal.SIGKILL)
    status, printed = newest.restart("rolling")
    assert status == 0, printed
    assert "3 of 3 workers are new and ready" in printed
    assert len(newest.workers()) == 3
