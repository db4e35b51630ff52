"""Applications that serve data of the node, as the examples show them."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rollout.agents.common.proc import Process, children, find
from tests.support.until import wait

EXAMPLES = Path(__file__).parents[2] / "examples"
HOST = "127.0.0.61"


class Application(NamedTuple):
    port: int
    process: Process

    @property
    def processes(self) -> list[Process]:
        return [self.process, *children(self.process)]

    @property
    def page(self) -> str:
        return f"http://{HOST}:{self.port}/_status"

    def status(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.page, timeout=10) as answer:
            return dict(json.load(answer))


Start = Callable[..., Application]


def answers(application: Application, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "it ended at once"
    try:
        return application.status()["release"] is not None
    except OSError:
        return False


def end(process: subprocess.Popen[bytes]) -> None:
    group = children(Process(process.pid, 0))
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    finally:
        for left in group:
            if find(left.pid) == left:
                wait(lambda left=left: find(left.pid) != left, f"the end of {left.pid}")
