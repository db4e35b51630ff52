"""`restart: uwsgi`, against a real uWSGI under load: releases that work."""

from __future__ import annotations

from uwsgi_support import SETTINGS, Capacity, Server


def test_chain_loses_nothing_and_one_worker_at_a_time(server: Server) -> None:
    """Every worker is a new one, one after the other: none of the requests is lost, 2 of 3 always accept."""
    server.start(*SETTINGS["chain"], workers=3)
    old = server.workers()
    server.write("2")
    with server.load() as load, Capacity(server) as capacity:
        done = server.deploy("chain", "2")
        load.until(lambda answer: answer.body.startswith("2 "), "the new release")
    assert done.returncode == 0, done.stdout + done.stderr
    new = server.workers()
    assert (len(new), new & old) == (3, set())
    assert load.lost == []
    assert capacity.least >= 2
    assert {answer.body for answer in load.answers} <= {f"1 {one.pid}" for one in old} | {
        f"2 {one.pid}" for one in new
    }


def test_refork_loses_nothing_and_no_capacity(server: Server) -> None:
    """The new master's workers accept before the old one is ended: nothing lost, never fewer workers.

    The FIFOs have changed their roles, and the next refork finds them as the first one did.
    """
    server.start(*SETTINGS["refork"], "enable-threads = true", "env = SHOP=1")
    old, master = server.workers(), server.master()
    server.write("2", "import uwsgi; assert uwsgi.masterpid() and os.environ['SHOP'] == '1'; time.sleep(0.5)")
    with server.load() as load, Capacity(server) as capacity:
        done = server.deploy("refork", "2")
        load.until(lambda answer: answer.body.startswith("2 "), "the new release")
    assert done.returncode == 0, done.stdout + done.stderr
    second = server.master()
    assert second not in (None, master)
    new = server.workers()
    assert (len(new), new & old) == (2, set())
    assert (load.lost, capacity.least) == ([], 2)
    status, told = server.restart("refork")
    assert status == 0, told
    assert server.master() not in (None, master, second)


def test_reload_answers_nothing_while_the_application_loads(server: Server) -> None:
    """Requests wait in the listening socket for as long as the import takes, and none of them is lost."""
    server.start(*SETTINGS["reload"])
    old, master = server.workers(), server.master()
    server.write("2", "time.sleep(0.5)")
    with server.load() as load:
        done = server.deploy("reload", "2")
        load.until(lambda answer: answer.body.startswith("2 "), "the new release")
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.master() == master
    new = server.workers()
    assert (len(new), new & old) == (2, set())
    assert load.lost == []
    assert max(answer.took for answer in load.answers) >= 0.4
