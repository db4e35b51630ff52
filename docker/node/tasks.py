"""The lab's tasks: each says which release and which machine did it."""

import os
import time
from pathlib import Path

from celery import Celery

app = Celery("tasks", broker=os.environ["REDIS"], backend=os.environ["REDIS"])
app.conf.task_acks_late = True
app.conf.worker_prefetch_multiplier = 1
app.conf.broker_connection_retry_on_startup = True
RELEASE = (Path(__file__).parent / "current" / "VERSION").read_text().strip()
if RELEASE.startswith("broken"):
    raise RuntimeError(f"release {RELEASE} does not start")


@app.task
def work(number, seconds=0.1):
    time.sleep(seconds)
    return [number, RELEASE, os.environ["NODE"]]
