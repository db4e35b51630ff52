"""The testbed's tasks: each says which release and which machine did it."""

import socket
import time
from pathlib import Path

from celery import Celery

REDIS = "redis://172.29.77.20/0"
app = Celery("shop", broker=REDIS, backend=REDIS)
app.conf.task_acks_late = True
app.conf.worker_prefetch_multiplier = 1
app.conf.broker_connection_retry_on_startup = True
RELEASE = (Path(__file__).parents[1] / "current" / "VERSION").read_text().strip()
if RELEASE.startswith("broken"):
    raise RuntimeError(f"release {RELEASE} does not start")


@app.task
def work(number, seconds=0.1):
    time.sleep(seconds)
    return [number, RELEASE, socket.gethostname()]
