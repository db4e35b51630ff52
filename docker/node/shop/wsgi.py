"""The testbed's application: it says its release and its node, and is as good as its release's name says.

broken   does not start
errors   answers 500 to every twentieth request, while its health page is green
slow     takes three times as long to answer
Any other name is a good release.
"""

import itertools
import os
import time
from pathlib import Path
from urllib.parse import parse_qs

from rollout.app.wsgi import HealthPage

NODE = os.environ["NODE"]
RELEASE = (Path(__file__).parents[1] / "current" / "VERSION").read_text().strip()
KIND = RELEASE.partition("-")[0]
TEXT = f"shop {RELEASE} {NODE}\n".encode()
ANSWER_SECONDS = 0.03 if KIND == "slow" else 0.01
_number = itertools.count(1)

if KIND == "broken":
    raise RuntimeError(f"release {RELEASE} does not start")
time.sleep(float(os.environ.get("START", "0.5")))


def shop(environ, start_response):
    asked = parse_qs(environ["QUERY_STRING"])
    time.sleep(float(asked["seconds"][0]) if "seconds" in asked else ANSWER_SECONDS)
    failing = KIND == "errors" and next(_number) % 20 == 0
    status = "500 Internal Server Error" if failing else "200 OK"
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(TEXT)))])
    return [TEXT]


application = HealthPage(shop, file="/run/shop/draining", release=RELEASE)
