"""Repairs of a real uWSGI: a refused release that workers must not load, and a uWSGI that is down."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from uwsgi_support import ONLY_SERVING, PORT, SETTINGS, Server

from tests.support.command import rollout, write_inventory

RAISES = ONLY_SERVING.format(what="raise RuntimeError('no database')")


DIES = ONLY_SERVING.format(what="import threading; threading.Timer(2, os._exit, [1]).start()")


def inventory(server: Server, mode: str, **more: Any) -> Path:
    sections = {
        "nodes": {"web1": {"host": server.host, "ssh": "local"}},
        "release": {"command": f'cd {server.folder} && cp "$ROLLOUT_RELEASE.txt" shop_application.py'},
        "restart": {
            "uwsgi": {"fifo": str(server.fifo), "mode": mode},
            "start": f"uwsgi --ini {server.ini} --daemonize {server.folder}/shop.log",
            "timeout": "30s",
        },
        "health": {"http": f"http://{{host}}:{PORT}/", "interval": "50ms", "timeout": "20s"},
        **more,
    }
    return write_inventory(server.folder / "inventory.yml", sections)


def test_a_release_that_dies_after_two_seconds_is_rolled_back(server: Server) -> None:
    """All its workers accepted; that they end, and others again and again, is no restart."""
    server.start(*SETTINGS["chain"], "enable-threads = true")
    server.write("1")
    server.write("2", DIES)
    here = inventory(server, "chain", strategy={"on_failure": "rollback"})
    assert rollout("deploy", "--release", "1", inventory=here).returncode == 0
    done = rollout("deploy", "--release", "2", inventory=here)
    assert done.returncode == 1
    assert "new workers ended within 3 s, and uWSGI starts others" in done.stdout
    with server.load() as load:
        load.until(lambda answer: answer.body.startswith("1 "), "release 1")
    assert {answer.body[0] for answer in load.answers} == {"1"}


def test_a_refused_release_is_not_loaded_by_a_recycled_worker(server: Server) -> None:
    """The release before is on the disk again: a worker that ends is replaced, and nothing is lost."""
    server.start(*SETTINGS["chain"])
    server.write("1")
    server.write("2", "import no_such_module")
    here = inventory(server, "chain")
    assert rollout("deploy", "--release", "1", inventory=here).returncode == 0
    old = server.workers()
    with server.load() as load:
        done = rollout("deploy", "--release", "2", inventory=here)
        assert done.returncode == 1
        assert "BROKEN: uWSGI cannot load the new application" in done.stdout
        assert "release 1 is on the disk again" in done.stdout
        os.kill(min(old).pid, signal.SIGINT)
        server.wait(lambda: len(server.workers() - old) == 1 and len(server.workers()) == 2, "another worker")
    assert {body.split()[0] for body in load.bodies} == {"1"}
    assert load.lost == []


def test_a_uwsgi_that_a_release_took_down_is_started_by_the_rollback(server: Server) -> None:
    """The rollback refuses nothing: the release goes back, and then uWSGI is started."""
    server.start(*SETTINGS["reload"])
    server.write("1")
    server.write("2", RAISES)
    here = inventory(server, "reload")
    assert rollout("deploy", "--release", "1", inventory=here).returncode == 0
    failed = rollout("deploy", "--release", "2", inventory=here)
    assert failed.returncode == 1
    assert "ended, and nothing serves" in failed.stdout
    back = rollout("rollback", inventory=here)
    assert back.returncode == 0, back.stdout + back.stderr
    assert "shop does not run there" in back.stdout
    with server.load() as load:
        load.until(lambda answer: answer.body.startswith("1 "), "release 1")
