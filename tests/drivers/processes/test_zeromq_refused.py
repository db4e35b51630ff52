"""What `restart: processes` refuses before anything is signalled."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from rollout.agents.common.talk import NotRunning
from tests.drivers.processes.service import Service
from tests.support.users import need_root


def stale(service: Service) -> dict[str, str]:
    ended = subprocess.Popen(["true"])
    ended.wait()
    return {"pidfile": written(service, str(ended.pid))}


def of_another_program(service: Service) -> dict[str, str]:
    path = written(service, str(service.pid))
    os.utime(path, (1, 1))
    return {"pidfile": path}


def written(service: Service, text: str) -> str:
    path = service.folder / "other.pid"
    path.write_text(text)
    return str(path)


def empty(service: Service) -> str:
    path = service.folder / "empty"
    path.mkdir(exist_ok=True)
    return str(path)


REFUSED: dict[str, tuple[Callable[[Service], dict[str, str]], str]] = {
    "no pidfile": (lambda _: {"pidfile": "/no/such.pid"}, "there is no pidfile /no/such.pid"),
    "a stale one": (stale, "is stale: no process"),
    "no number": (lambda service: {"pidfile": written(service, "shop")}, "holds no process id"),
    "another program's": (of_another_program, "another program may have its process id by now"),
    "a program that would die of it": (
        lambda service: {"pidfile": written(service, str(min(service.workers())))},
        ") does not handle SIGHUP: is it the supervisor?",
    ),
    "a signal that it would die of": (lambda _: {"signal": "USR1"}, "does not handle SIGUSR1"),
    "no folder": (lambda _: {"beats": "/no/such"}, "there is no folder /no/such for the workers' heartbeats"),
    "nobody beats": (lambda service: {"beats": empty(service)}, "beats in"),
    "no log": (lambda _: {"log": "/no/such.log"}, "the log /no/such.log cannot be read: No such file"),
}


NOT_RUNNING = ("no pidfile", "a stale one", "another program's", "nobody beats")
"""Those in which the service does not run, as far as its files tell."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("refused")) as service:
        yield service


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("what", REFUSED)
def test_bad_input_is_refused(service: Service, what: str, check: bool) -> None:
    """By the precheck and by the restart itself, with the reason; nothing hears of it."""
    prepare, message = REFUSED[what]
    workers = service.workers()
    done = subprocess.run(service.restart(check=check, **prepare(service)), capture_output=True, text=True)
    status = NotRunning.exit_status if what in NOT_RUNNING else 1
    assert (done.returncode, done.stderr) == (status, "")
    assert message in done.stdout
    assert (service.workers(), service.process.poll()) == (workers, None)
    assert service.log.read_text() == ""


def test_a_deployment_is_refused(service: Service) -> None:
    """The release is not touched where its workers could not be restarted."""
    current = (service.folder / "current").readlink()
    done = service.deploy("2.0", beats="/no/such")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "there is no folder /no/such" in done.stderr
    assert (service.folder / "current").readlink() == current


def test_a_supervisor_of_somebody_else_may_not_be_signalled(service: Service) -> None:
    """Who may not signal it is told whose it is."""
    need_root()
    for folder in service.pidfile.parents:
        if folder.owner() == "root" and folder.name.startswith(("pytest-", "popen-", "refused")):
            folder.chmod(0o755)
    become = ["setpriv", "--reuid=nobody", "--clear-groups", *service.restart()]
    done = subprocess.run(become, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"process {service.pid} runs as root, and nobody may not signal it" in done.stdout
