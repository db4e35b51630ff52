"""gunicorn's configuration under test. Each worker shows by a file in `able` that it takes requests."""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(os.environ["ROOT"])))

from rollout.app.gunicorn import Report

bind = os.environ["ADDRESS"]
workers = 3
graceful_timeout = 10
pidfile = "shop.pid"
errorlog = "shop.log"
control_socket_disable = True
preload_app = os.environ.get("PRELOAD") == "yes"


class ShownReport(Report):
    def __call__(self, worker):
        able = Path("able", str(worker.pid))
        leave = signal.getsignal(signal.SIGTERM)

        def finish(number, frame):
            able.unlink(missing_ok=True)
            leave(number, frame)

        signal.signal(signal.SIGTERM, finish)
        signal.siginterrupt(signal.SIGTERM, False)
        able.touch()
        super().__call__(worker)


post_worker_init = ShownReport(notify=os.environ.get("NOTIFY"))
