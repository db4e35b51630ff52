"""The application under test: the file `release` beside it says which it is, and what is wrong with it."""

import os
import time
from pathlib import Path

words = (Path(__file__).parent / "release").read_text().split()
in_worker = "SERVER_SOFTWARE" in os.environ
if "broken" in words:
    raise RuntimeError("there is no table words")
if "fatal" in words and in_worker:
    raise RuntimeError("gunicorn ends when this is raised in a worker")
if "slow" in words and in_worker:
    time.sleep(1)
if "hangs" in words and in_worker:
    time.sleep(120)


def application(environ, start_response):
    sick = "sick" in words and in_worker and environ["PATH_INFO"] == "/_status"
    start_response("500 Sick" if sick else "200 OK", [("Content-Type", "text/plain")])
    return [words[0].encode()]
