"""What the gunicorn driver refuses before anything is signalled."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from gunicorn_support import GunicornShop, running

from tests.support.until import wait
from tests.support.users import need_root


def test_another_program_is_not_signalled(newest: GunicornShop) -> None:
    """The process in the pidfile must be a gunicorn: HUP would end this one."""
    other = subprocess.Popen(["sleep", "60"])
    try:
        newest.pidfile.write_text(str(other.pid))
        status, printed = newest.restart("reload")
        assert (status, other.poll()) == (1, None)
        assert (
            f"process {other.pid} of {newest.pidfile} is not gunicorn: its command line is sleep 60"
            in printed
        )
    finally:
        other.kill()
        other.wait()


def test_what_the_configuration_lacks_is_told(newest: GunicornShop) -> None:
    """Without a hook nobody would report, and the pidfile must be the one that gunicorn itself writes."""
    newest.start()
    configuration = newest.folder / "gunicorn.conf.py"
    right = configuration.read_text()
    configuration.write_text(right.replace("post_worker_init =", "unused ="))
    status, printed = newest.restart("reload", check=True)
    assert status == 1
    assert "`from rollout.app.gunicorn import post_worker_init`" in printed
    configuration.write_text(right.replace("shop.pid", "other.pid"))
    status, printed = newest.restart("reload", check=True)
    assert status == 1
    assert f"and gunicorn's configuration has {newest.folder}/other.pid" in printed


def test_a_master_that_hides_how_it_was_started(tmp_path: Path) -> None:
    """Where its command line was replaced, as by setproctitle, the new code cannot be tried: that is told."""
    with running(tmp_path, "titled") as shop:
        where = shop.report_by_hand()
        shop.start(NOTIFY=where)
        old = shop.workers()
        status, printed = shop.restart("rolling", check=True, notify=where)
        assert (status, shop.workers()) == (1, old)
        assert "use mode: upgrade, or remove setproctitle" in printed
        status, printed = shop.restart("upgrade", check=True, notify=where)
        assert status == 0, printed
        assert "the new code is not started on trial" in printed


def test_two_deployments_do_not_listen_at_once(newest: GunicornShop) -> None:
    """While one waits for its workers another is refused, and leaves the first one's socket alone."""
    newest.start()
    newest.put("2 hangs")
    first = newest.agent("rolling")
    wait(lambda: len(newest.workers()) == 4, "one worker more")
    status, printed = newest.restart("rolling")
    assert status == 1
    assert "is another deployment running?" in printed
    os.kill(first.pid, 0)
    os.killpg(first.pid, signal.SIGTERM)
    printed, _ = first.communicate(timeout=60)
    assert "ended by SIGTERM" in printed
    assert (len(newest.workers()), newest.left_behind()) == (3, [])


def test_the_new_code_is_tried_with_no_more_rights_than_its_master_has(tmp_path: Path) -> None:
    """Root's agent loads the application as the user whom the master runs as."""
    need_root()
    with running(tmp_path, "Debian's") as shop:
        for folder in [tmp_path, *list(tmp_path.parents)[:3]]:
            folder.chmod(0o755)
        for path in (tmp_path, tmp_path / "able"):
            os.chown(path, 65534, 65534)
        code = tmp_path / "shop.py"
        code.write_text(f"{code.read_text()}\nassert os.getuid() == 65534\n")
        where = shop.report_by_hand()
        shop.start(user="nobody", NOTIFY=where)
        old = shop.workers()
        status, printed = shop.restart("rolling", notify=where)
        assert status == 0, printed
        assert not shop.workers() & old
