"""A web service whose listening socket outlives its code: a parent holds it, and the children answer.

usage: held_socket.py HOST:PORT PIDFILE RELEASE_FILE [CHILDREN]

SIGHUP replaces the children. The new ones run the code and the release that are there by then. Once all of
them are ready, the old ones take nothing more, finish what they have, and leave. A connection waits in the
queue of the one socket until somebody takes it, so none is refused and none is lost. If a new child does
not become ready, the new ones are ended and the old ones keep serving.

systemd may hold the socket instead (shop.socket): then even a restart of the parent loses nothing. Under
systemd the parent says when it is ready, and when it has reloaded, as `Type=notify-reload` asks.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Child = subprocess.Popen[bytes]

READY_WITHIN = 10.0
"""Seconds for new children to become ready."""
SIGNALS = {signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD}


def hold(address: str, pidfile: str, release_file: str, count: str = "2") -> None:
    """Runs as the parent."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # each waits for sigwait
    begin = partial(start, of_systemd() or listening(address), release_file)
    children, leaving = started(int(count), begin), []
    if not children:
        sys.exit("the release does not start")
    Path(pidfile).write_text(str(os.getpid()))
    notify("READY=1")
    while (number := signal.sigwait(SIGNALS)) != signal.SIGTERM:
        if number == signal.SIGHUP and (new := started(int(count), begin)):
            leaving += finishing(children)
            children = new
            notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
            notify("READY=1")
        leaving, children = living(leaving), living(children)
        if missing := int(count) - len(children):
            time.sleep(1.0)  # a release that cannot start must not keep us busy
            children += started(missing, begin)
    for child in [*leaving, *finishing(children)]:
        child.wait()
    Path(pidfile).unlink()


def of_systemd() -> socket.socket | None:
    """The socket on which systemd listens for us, if it does."""
    passed = os.environ.get("LISTEN_PID") == str(os.getpid())
    return socket.socket(fileno=3) if passed else None


def listening(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_server((host, int(port)), backlog=1024)


def start(listener: socket.socket, release_file: str) -> Child:
    """A child runs this file anew: one that is only forked has the code that the parent began with."""
    fd = listener.fileno()
    command = [sys.executable, __file__, "child", str(fd), release_file]
    return subprocess.Popen(command, pass_fds=[fd], stdout=subprocess.PIPE)


def started(count: int, begin: Callable[[], Child]) -> list[Child]:
    """Start so many new children; return them once all are ready, or none if one of them fails."""
    children = [begin() for _ in range(count)]
    deadline = time.monotonic() + READY_WITHIN
    if all(is_ready(child, deadline) for child in children):
        return children
    print("a new child did not become ready", file=sys.stderr, flush=True)
    for child in children:
        child.kill()
        child.wait()
    return []


def is_ready(child: Child, deadline: float) -> bool:
    """Whether the child said that it is ready; one that ends without a word has closed its output."""
    said, _, _ = select.select([child.stdout], [], [], max(0.0, deadline - time.monotonic()))
    return bool(said) and child.stdout.readline() == b"ready\n"


def finishing(children: list[Child]) -> list[Child]:
    for child in children:
        child.terminate()
    return children


def living(children: list[Child]) -> list[Child]:
    return [child for child in children if child.poll() is None]


def notify(state: str) -> None:
    """Tell systemd, if it started us."""
    if path := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.sendto(state.encode(), path.replace("@", "\0", 1))


def answer(fd: str, release_file: str) -> None:
    """Runs as a child."""
    release = Path(release_file).read_text().strip()
    if release == "broken":
        sys.exit("this release does not start")
    time.sleep(0.5)  # as long as an application takes to load
    server = Server(socket.socket(fileno=int(fd)), release)
    told_to_finish = []
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: told_to_finish.append(True))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    print("ready", flush=True)
    while not told_to_finish:
        server.handle_request()
    server.server_close()


class Server(ThreadingHTTPServer):
    """A server on a socket that listens already; `server_close` waits for the requests that run."""

    daemon_threads = False
    timeout = 0.1

    def __init__(self, listener: socket.socket, release: str) -> None:
        super().__init__(listener.getsockname(), Page, bind_and_activate=False)
        os.set_blocking(listener.fileno(), False)  # all see a connection, one gets it, the others must go on
        self.socket = listener
        self.release = release


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        time.sleep(0.02)  # work
        body = self.server.release.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


if __name__ == "__main__":
    (answer if sys.argv[1] == "child" else hold)(*sys.argv[1 + (sys.argv[1] == "child") :])
