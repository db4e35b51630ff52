"""The application under test: the file `release` beside it says which it is, and what is wrong with
it: some faults do not show on trial."""

import os
import threading
import time
from pathlib import Path

words = (Path(__file__).parent / "release").read_text().split()
on_trial = "ROLLOUT_TRIAL" in os.environ
if "broken" in words:
    raise RuntimeError("there is no table words")
if "fatal" in words and not on_trial:
    raise RuntimeError("gunicorn ends when this is raised in a worker")
if "dies" in words:
    threading.Timer(2, os._exit, [1]).start()
if "slow" in words:
    time.sleep(1)
if "hangs" in words and not on_trial:
    time.sleep(120)


def application(environ, start_response):
    sick = "sick" in words and not on_trial and environ["PATH_INFO"] == "/_status"
    start_response(
        "500 Sick" if sick else "200 OK", [("Content-Type", "text/plain"), ("Content-Length", "1")]
    )
    return [words[0].encode()]
