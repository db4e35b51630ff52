"""`restart: uwsgi`, against a real uWSGI with processes that are no workers."""

from __future__ import annotations

from uwsgi_support import SETTINGS, Server

from rollout.agents.uwsgi.helpers import helpers

MULE = """
import time
import shop_application
open(f"mule of {shop_application.RELEASE}", "w").close()
time.sleep(120)
"""
BROKEN_MULE = "import threading; threading.Timer(0.5, os._exit, [1]).start()"


def test_a_chain_replaces_mules_and_spoolers(server: Server) -> None:
    """They run the new code, too, once the workers do."""
    (server.folder / "mule.py").write_text(MULE)
    server.put("1", "RELEASE = 1")
    server.start(*SETTINGS["chain"], "mule = mule.py", "spooler = %d/spool")
    master = server.master()
    assert master is not None
    old = set(helpers(master))
    assert len(old) == 2
    assert not old & server.workers()
    server.put("2", "RELEASE = 2")
    status, told = server.restart("chain")
    assert status == 0, told
    assert "2 mules and spoolers are new, too" in told
    server.wait((server.folder / "mule of 2").exists, "the new mule")
    new = set(helpers(master))
    assert (len(new), new & old) == (2, set())


def test_a_mule_that_the_new_code_breaks_is_told(server: Server) -> None:
    """The workers serve, and the mule ends again and again: that is no restart."""
    (server.folder / "mule.py").write_text("import shop_application, time; time.sleep(120)")
    server.start(*SETTINGS["chain"], "mule = mule.py", "enable-threads = true")
    server.steady = 2
    server.put("2", f"import uwsgi\nif 'no-server' not in uwsgi.opt and uwsgi.mule_id(): {BROKEN_MULE}")
    status, told = server.restart("chain")
    assert status == 1
    assert "BROKEN: 1 of 1 new mules and spoolers ended within 2 s" in told.splitlines()[-1]


def test_a_daemon_that_a_chain_leaves_alone_is_named(server: Server) -> None:
    """It may be anything, such as a database: so it is not touched, and that is said beforehand."""
    server.start(*SETTINGS["chain"], "attach-daemon = sleep 120")
    status, told = server.check("chain")
    assert status == 0
    assert "has started by `attach-daemon`: sleep 120 runs on as it is" in told
