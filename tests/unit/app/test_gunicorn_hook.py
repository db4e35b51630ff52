"""What a gunicorn worker tells who waits for it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rollout.app.gunicorn import Report, post_worker_init
from rollout.app.wsgi import health_page


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """What listens beside the pidfile of a test's folder."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "shop.pid.ready"))
        listener.settimeout(5)
        yield listener


class SyncWorker(SimpleNamespace):
    """One of those that call WSGI, as their module shows."""

    __module__ = "gunicorn.workers.sync"


class AsgiWorker(SimpleNamespace):
    """Any other."""


def worker(folder: Path, app: Any, *, alive: bool = False, kind: type = SyncWorker) -> Any:
    """As much of a gunicorn worker as the hook knows; one that is not `alive` was asked to leave."""
    return kind(cfg=SimpleNamespace(pidfile=str(folder / "shop.pid")), wsgi=app, alive=alive)


def raising(environ: Any, start_response: Any) -> Any:
    raise RuntimeError("no database")


def sick(environ: Any, start_response: Any) -> Any:
    start_response("503 Not Yet", [])
    return [b""]


def reading(environ: Any, start_response: Any) -> Any:
    start_response("200 OK" if environ["REMOTE_ADDR"] == "127.0.0.1" else "500 Who", [])
    return [b""]


async def asynchronous(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("it cannot be asked like this")


@pytest.mark.parametrize(
    ("app", "told"),
    [
        (health_page(), "ready"),
        (health_page(path="/other"), "ready"),  # 404, as a node that is drained answers
        (sick, "not ready: /_status answered 503 Not Yet"),
        (raising, "not ready: /_status failed with RuntimeError: no database"),
        (reading, "ready"),
    ],
)
def test_a_worker_reports_what_its_own_health_page_says(
    listener: socket.socket, tmp_path: Path, app: Any, told: str
) -> None:
    """It asks the application in-process, and sends its process id with the answer."""
    post_worker_init(worker(tmp_path, app))
    assert listener.recv(1000).decode() == f"{os.getpid()} {told}"


def test_a_worker_that_does_not_call_wsgi_is_not_asked(listener: socket.socket, tmp_path: Path) -> None:
    """It reports that it has got so far; its sign of life says when its application has started."""
    post_worker_init(worker(tmp_path, asynchronous, kind=AsgiWorker))
    assert listener.recv(1000).decode() == f"{os.getpid()} ready"


def test_a_worker_that_is_not_ready_waits_to_be_ended(
    listener: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it takes requests, but not for ever."""
    monkeypatch.setattr("rollout.app.gunicorn._PAUSE", 0.05)
    post_worker_init(worker(tmp_path, sick, alive=True))
    assert b"not ready" in listener.recv(1000)


def test_where_nobody_listens_the_application_is_not_asked(tmp_path: Path) -> None:
    """Without a deployment, or after one that was killed, a worker starts as if there were no hook."""
    asked: list[Any] = []
    post_worker_init(worker(tmp_path, asked.append))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as gone:
        gone.bind(str(tmp_path / "shop.pid.ready"))
    post_worker_init(worker(tmp_path, asked.append))
    assert asked == []


@pytest.mark.parametrize(
    "app", [None, lambda environ, start_response: [], lambda environ, start_response: None]
)
@pytest.mark.parametrize("notify", [None, "udp://127.0.0.1:9", "udp://no such host", "nonsense"])
def test_the_hook_never_raises(listener: socket.socket, tmp_path: Path, app: Any, notify: str | None) -> None:
    """Whatever the application and the address are: an exception would keep it from ever starting."""
    Report(notify=notify)(worker(tmp_path, app))
    Report(notify=notify)(None)


def test_a_report_by_udp() -> None:
    """It goes where the configuration says, and another page can be asked."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(5)
        report = Report(page="/healthz", notify=f"udp://127.0.0.1:{listener.getsockname()[1]}")
        report(worker(Path("/nowhere"), health_page(path="/healthz")))
        assert listener.recv(1000).decode() == f"{os.getpid()} ready"
