"""`restart: uwsgi`, against a real uWSGI: releases that do not work, and what they leave."""

from __future__ import annotations

import re

import pytest
from uwsgi_support import ONE_FIFO, ONLY_SERVING, SETTINGS, Server

from rollout.agents.common import proc
from rollout.agents.common.talk import Untouched
from rollout.agents.uwsgi import processes

RAISES = ONLY_SERVING.format(what="raise RuntimeError('no database')")
HANGS = ONLY_SERVING.format(what="open('hangs', 'w').close(); time.sleep(60)")


@pytest.mark.parametrize("mode", ["refork", "reload"])
def test_a_release_that_does_not_load_is_not_tried(server: Server, mode: str) -> None:
    """It is loaded on trial first, and the old workers are left."""
    server.start(*SETTINGS[mode])
    old = server.workers()
    server.put("2", "import no_such_module")
    status, told = server.restart(mode)
    assert (status, server.workers()) == (Untouched.exit_status, old)
    assert "BROKEN: uWSGI cannot load the new application" in told.splitlines()[-1]


def test_a_chain_that_cannot_go_on_is_told_and_goes_on_once_it_can(server: Server) -> None:
    """All but one of the old workers serve on; the next deployment takes up the chain that still tries."""
    server.start(*SETTINGS["chain"], "forkbomb-delay = 0")
    old = server.workers()
    server.put("2", RAISES)
    with server.load() as load:
        status, told = server.restart("chain")
        assert status == Untouched.exit_status
        assert "RuntimeError: no database" in told
        assert (
            "BROKEN: 3 new workers died before they accepted a request; 1 of 2 old workers keep serving"
            in told
        )
        assert len(server.workers() & old) == 1
        assert {answer.body[0] for answer in load.answers} == {"1"}
        server.put("3")
        status, told = server.restart("chain")
    assert status == 0, told
    assert load.lost == []
    assert (len(server.workers()), server.workers() & old) == (2, set())


def test_a_new_master_that_ends_leaves_the_old_one(server: Server) -> None:
    """The refork fails with the reason, nothing is lost, and the next one works."""
    server.start(*SETTINGS["refork"])
    old = server.workers()
    server.put("2", RAISES)
    with server.load() as load:
        status, told = server.restart("refork")
        assert status == Untouched.exit_status
        assert "RuntimeError: no database" in told
        assert told.splitlines()[-1].startswith("BROKEN: the new master")
        assert "keeps serving" in told.splitlines()[-1]
        assert server.workers() == old
        server.put("3")
        status, told = server.restart("refork")
    assert status == 0, told
    assert load.lost == []


def test_a_new_master_that_hangs_is_ended(server: Server) -> None:
    """When the time is up, the new master goes, and the old one was never told to."""
    server.start(*SETTINGS["refork"])
    old, master = server.workers(), server.master()
    assert master is not None
    server.put("2", HANGS)
    status, told = server.restart("refork", timeout=4)
    assert status == Untouched.exit_status
    assert "did not accept in time, so process" in told.splitlines()[-1]
    assert (server.workers(), server.master()) == (old, master)
    assert processes.reforked(master) == []


def test_a_new_master_that_dies_soon_is_told(server: Server) -> None:
    """It had taken over, and its workers accepted; two seconds later nothing runs."""
    server.start(*SETTINGS["refork"])
    server.steady = 3
    server.put("2", ONLY_SERVING.format(what="import signal; signal.alarm(2)"))
    status, told = server.restart("refork")
    assert status == 1
    assert re.fullmatch(r"BROKEN: uWSGI \(process \d+\) ended within 3 s", told.splitlines()[-1])


def test_what_a_broken_off_refork_left_is_taken_up(server: Server) -> None:
    """A second master that never took over is ended first, and the refork is done anew."""
    server.start(*SETTINGS["refork"])
    master = server.master()
    assert master is not None
    server.put("2", HANGS)
    processes.tell(str(server.fifo), "f")
    server.wait((server.folder / "hangs").exists, "the second master to load")
    (left,) = processes.reforked(master)
    server.put("3")
    status, told = server.restart("refork")
    assert status == 0, told
    assert f"process {left.pid} is the new master of an earlier refork, and never took over" in told
    assert server.master() not in (None, master, left)
    assert len(server.workers()) == 2


def test_a_master_that_reads_its_other_fifo_is_found(server: Server) -> None:
    """Nobody reads the FIFO of the inventory: the master that should is told to, then reforked."""
    server.start(*SETTINGS["refork"])
    master = server.master()
    assert master is not None
    processes.tell(str(server.fifo), "0")
    server.wait(lambda: server.master() is None, "the other FIFO")
    assert server.check("refork") == (0, "")
    status, told = server.restart("refork")
    assert status == 0, told
    assert f"process {master.pid} reads its other FIFO" in told
    assert server.master() not in (None, master)


def test_reload_cannot_save_what_only_fails_while_serving(server: Server) -> None:
    """What the trial did not show ends uWSGI; that nothing serves is said, with the reason."""
    server.start(*SETTINGS["reload"])
    server.put("2", RAISES)
    status, told = server.restart("reload")
    assert status == 1
    assert "RuntimeError: no database" in told
    assert "ended, and nothing serves" in told.splitlines()[-1]


def test_a_chain_with_lazy_apps_and_need_app_ends_altogether(server: Server) -> None:
    """The fact for which that is refused: one worker that cannot load the application ends all of uWSGI."""
    server.start(*ONE_FIFO, "lazy-apps = true", "need-app = true")
    master = server.master()
    assert master is not None
    assert "uWSGI ends altogether" in server.restart("chain")[1]
    server.put("2", RAISES)
    processes.tell(str(server.fifo), "c")
    server.wait(lambda: not proc.lives(master), "the end of uWSGI")
    assert server.workers() == set()


def test_a_chain_with_lazy_apps_says_when_workers_lost_their_application(server: Server) -> None:
    """uWSGI cannot be kept from going on with the chain then: that is an error, with what to change."""
    server.start(*ONE_FIFO, "lazy-apps = true")
    server.put("2", RAISES)
    status, told = server.restart("chain")
    assert status == 1
    assert "RuntimeError: no database" in told
    assert "BROKEN: the new workers run without an application" in told.splitlines()[-1]


def test_workers_without_an_application_are_no_success(server: Server) -> None:
    """Without `need-app` uWSGI serves 500 in place of the application: that is an error, not a reload."""
    server.start(*ONE_FIFO)
    server.put("2", RAISES)
    status, told = server.restart("reload")
    assert status == 1
    assert "BROKEN: the new workers run without an application" in told
