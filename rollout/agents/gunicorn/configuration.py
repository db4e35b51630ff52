"""gunicorn's configuration as it would be loaded now. Neither the application nor a server is started."""

from __future__ import annotations

import json
import subprocess
import tempfile
from typing import Any, Dict

from rollout.agents.common.talk import Failed
from rollout.agents.gunicorn import printed
from rollout.agents.gunicorn.launch import Launch
from rollout.agents.gunicorn.leftovers import kill_all, new_mark

_FOUND = "gunicorn as rollout found it: "
_PROGRAM = """
import json, os
from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.arbiter import Arbiter
cfg = WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]").cfg
hook = cfg.settings["post_worker_init"]
print({found!r} + json.dumps({{
    "daemon": cfg.daemon,
    "dirty": bool(getattr(cfg, "dirty_workers", 0)),
    "graceful": cfg.graceful_timeout,
    "log": cfg.errorlog,
    "pidfile": cfg.pidfile and os.path.realpath(cfg.pidfile),
    "preload": cfg.preload_app,
    "queues": hasattr(Arbiter, "signal_chld"),
    "reports": hook.get() is not hook.default,
    "workers": cfg.workers,
}}), flush=True)
os._exit(0)  # threads that the configuration may have started end here
"""


def configuration(launch: Launch, seconds: float) -> Dict[str, Any]:
    """Load gunicorn's configuration again, within that many seconds.

    Returns what it says: `daemon`, `dirty` (whether it has dirty workers), `graceful` (gunicorn's
    graceful_timeout), `log` (its errorlog), `pidfile`, `preload`, `queues` (whether its master takes the end
    of a worker in turn with the signals it was sent), `reports` (whether workers report anything),
    `workers`. Raises Failed, after printing the last lines that were printed.
    """
    mark = new_mark()
    with tempfile.TemporaryFile() as output:
        started = launch.start(_PROGRAM.format(found=_FOUND), output=output, ROLLOUT_TRIAL=mark)
        try:
            status = started.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            raise Failed(
                f"BROKEN: gunicorn's configuration did not load within {seconds:.0f} s; nothing was signalled"
            ) from None
        finally:
            kill_all(started.pid, mark)
            started.wait()
        output.seek(0)
        for line in output.read().decode(errors="replace").splitlines():
            if line.startswith(_FOUND) and status == 0:
                said: Dict[str, Any] = json.loads(line[len(_FOUND) :])
                return said
        why = printed.show(output) or f"it ended with {status}"
    raise Failed(f"BROKEN: gunicorn's configuration does not load, so nothing was signalled: {why}")
