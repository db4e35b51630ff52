"""`restart: uwsgi`: what is refused before anything is written to the FIFO."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from uwsgi_support import SETTINGS, Server

from rollout.agents.common.talk import Failed, NotRunning, Untouched
from rollout.agents.uwsgi import processes
from rollout.agents.uwsgi.rules import must_fit
from rollout.agents.uwsgi.settings import Settings, settings_of
from rollout.inventory.restart import Uwsgi
from rollout.restart.uwsgi import plan_restart
from tests.support.users import need_root

NOT_A_FIFO: dict[str, tuple[Callable[[Path], object], str]] = {
    "none": (lambda fifo: None, "there is no FIFO"),
    "a file": (lambda fifo: fifo.touch(), "is not a FIFO"),
    "nobody reads": (os.mkfifo, "no process reads the FIFO"),
}


@pytest.mark.parametrize("what", NOT_A_FIFO)
@pytest.mark.parametrize("mode", ["chain", "refork"])
def test_a_fifo_that_is_none_or_that_nobody_reads(server: Server, what: str, mode: str) -> None:
    """Each is refused with its reason, and the path of the FIFO."""
    prepare, message = NOT_A_FIFO[what]
    prepare(server.fifo)
    status, told = server.check(mode)
    assert status == (1 if what == "a file" else NotRunning.exit_status)
    assert message in told
    assert str(server.fifo) in told


def test_preflight_refuses(server: Server) -> None:
    """`rollout deploy` refuses before its first step, and says why."""
    server.write("2")
    done = server.deploy("chain", "2")
    assert done.returncode == 3
    assert f"there is no FIFO {server.fifo}" in done.stderr


def test_a_fifo_that_another_program_reads(server: Server) -> None:
    """It is named, and nothing is written to it."""
    os.mkfifo(server.fifo)
    reader = os.open(server.fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status, told = server.restart("reload")
        assert status == Untouched.exit_status
        assert f"is read by process {os.getpid()}" in told
        assert "which is not uWSGI" in told
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)


def test_a_fifo_of_somebody_else(server: Server) -> None:
    """Who may not write to it is told so."""
    need_root()
    os.mkfifo(server.fifo, 0o600)
    for folder in server.fifo.parents:
        if folder.owner() == "root" and folder.name.startswith(("pytest-", "popen-", "test_")):
            folder.chmod(0o755)
    line = plan_restart(Uwsgi(fifo=str(server.fifo), mode="chain"), 5.0, str).precheck
    assert line is not None
    become = ["setpriv", "--reuid=nobody", "--clear-groups", "sh", "-c", line]
    done = subprocess.run(become, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"no permission to write to the FIFO {server.fifo}" in done.stdout


def test_a_check_touches_nothing(server: Server) -> None:
    """A good configuration passes, and the FIFO was not opened: uWSGI would have made it anew."""
    server.start(*SETTINGS["chain"])
    before = server.fifo.stat().st_ino
    assert server.check("chain") == (0, "")
    assert server.fifo.stat().st_ino == before


def test_a_vassal_is_not_reforked(server: Server) -> None:
    """The Emperor would start it again, beside the new master; a chain keeps the master."""
    server.start(*SETTINGS["refork"], command=["uwsgi", "--emperor", f"{server.folder}/*.ini"])
    old = server.workers()
    status, told = server.restart("refork")
    assert (status, server.workers()) == (Untouched.exit_status, old)
    assert "is watched by uWSGI's Emperor (process " in told
    assert "use mode: chain, or restart.command" in told


def test_what_a_running_uwsgi_was_told_is_seen(server: Server) -> None:
    """From its command line, the ini file, and what that includes, with the folder filled in."""
    (server.folder / "more.ini").write_text(
        "[uwsgi]\nlazy = true\n; need-app = true\n[other]\nvacuum = true\n"
    )
    server.start("set-ph = where=%d", "master-fifo = %(where)shop.fifo", "ini = %dmore.ini", "vacuum = false")
    master = server.master()
    assert master is not None
    settings = settings_of(master)
    assert settings.fifos == [str(server.fifo)]
    assert settings.on("lazy")
    assert not settings.on("need-app")
    assert not settings.on("vacuum")
    assert settings.workers == 2


def test_a_gateway_is_no_worker(server: Server) -> None:
    """An HTTP router of uWSGI's own waits for connections, too, and is never counted or waited for."""
    server.start(*SETTINGS["chain"], f"http = {server.host}:8001", "plugin = http")
    master = server.master()
    assert master is not None
    assert len(processes.workers(master)) == 3
    assert len(server.workers()) == 2


TWO = (("master-fifo", "/run/new"), ("master-fifo", "/run/shop"))
ENDS = ("hook-accepting1-once", "writefifo:/run/shop q")
TAKES_OVER = ("hook-accepting1-once", "writefifo:/run/new 1")
NEED = ("need-app", "true")
UNFIT = {
    "chain, loaded by the master": ("chain", TWO[1:], "without `lazy-apps` or `lazy`"),
    "chain, ends altogether": ("chain", (*TWO[1:], ("lazy-apps", "true"), NEED), "uWSGI ends altogether"),
    "one FIFO": ("refork", (*TWO[1:], ENDS, TAKES_OVER, NEED), "need two FIFOs"),
    "the first FIFO": ("refork", (*reversed(TWO), ENDS, TAKES_OVER, NEED), "need two FIFOs"),
    "nothing ends the old one": ("refork", (*TWO, TAKES_OVER, NEED), "nothing in uWSGI's settings ends"),
    "ends itself": (
        "refork",
        (*TWO, ("hook-accepting1", ENDS[1]), TAKES_OVER, NEED),
        "nothing in uWSGI's settings ends",
    ),
    "nothing takes over": ("refork", (*TWO, ENDS, NEED), "has the new master take over"),
    "takes over broken": ("refork", (*TWO, ENDS, TAKES_OVER), "without `need-app`"),
    "a router": ("refork", (*TWO, ENDS, TAKES_OVER, NEED, ("http", ":8000")), "`http` is not handed on"),
    "a port for statistics": ("refork", (*TWO, ENDS, TAKES_OVER, NEED, ("stats", ":9")), "`stats` is not"),
    "removes what is used": ("refork", (*TWO, ENDS, TAKES_OVER, NEED, ("vacuum", "true")), "with `vacuum`"),
}


@pytest.mark.parametrize("what", UNFIT)
def test_settings_that_would_not_do(what: str) -> None:
    """Each is refused with what is to be changed."""
    mode, pairs, message = UNFIT[what]
    with pytest.raises(Failed, match=message):
        must_fit(Settings(list(pairs), "/", {}), mode, "/run/shop")


@pytest.mark.parametrize(
    ("mode", "pairs"),
    [
        ("chain", (*TWO[1:], ("lazy", "true"), NEED)),
        ("chain", (*TWO[1:], ("lazy-apps", "1"))),
        ("refork", (*TWO, ENDS, TAKES_OVER, NEED)),
        ("refork", (*TWO, ENDS, TAKES_OVER, NEED, ("stats", "/run/shop.stats"))),
        ("reload", TWO[1:]),
    ],
)
def test_settings_that_do(
    mode: str, pairs: tuple[tuple[str, str], ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """They pass in silence."""
    must_fit(Settings(list(pairs), "/", {}), mode, "/run/shop")
    assert capsys.readouterr().out == ""
