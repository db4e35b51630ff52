from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from data_support import EXAMPLES, HOST, Application, Start, answers, end

from rollout.agents.common.proc import find
from tests.support.sshd import free_port
from tests.support.until import wait


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts an example; it is ended with all of its processes."""
    with ExitStack() as running:

        def start(example: str, folder: Path, *words: str) -> Application:
            port = free_port(HOST)
            command = [sys.executable, EXAMPLES / example / "server.py", folder, HOST, str(port), *words]
            process = subprocess.Popen(command, start_new_session=True)
            running.callback(end, process)
            found = find(process.pid)
            assert found is not None
            application = Application(port, found)
            wait(lambda: answers(application, process), example, within=30)
            return application

        yield start
