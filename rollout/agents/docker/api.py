"""Docker's Engine API, reached through `docker system dial-stdio`, so any user who may run docker can use
it."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
from typing import Any, List
from urllib.parse import quote

from rollout.agents.common import programs
from rollout.agents.common.talk import Failed

_PODMAN = "podman"


class RequestRejected(Failed):
    """The daemon answered with an error; `status` is that of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Docker(http.client.HTTPConnection):
    """A connection to the Docker daemon; `words` begin a docker command."""

    def __init__(self, words: List[str]) -> None:
        super().__init__("docker")
        self.words = words

    def connect(self) -> None:
        ours, theirs = socket.socketpair()
        words = [*self.words, "system", "dial-stdio"]
        try:
            self._dial = subprocess.Popen(
                words, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.PIPE
            )
        except FileNotFoundError:
            raise Failed(f"{words[0]}: not found on this machine") from None
        finally:
            theirs.close()
        self.sock = ours

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request, and return the daemon's answer; `path` may have a query.

        Raises RequestRejected, Failed.
        """
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            self.request(method, path, None if body is None else json.dumps(body), headers)
            answer = self.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            errors = self._dial.communicate()[1].decode(errors="replace").strip()
            raise Failed(errors.split("\n")[-1] or f"the Docker daemon hung up: {error!r}") from None
        value = json.loads(text) if text else None
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise RequestRejected(answer.status, (value or {}).get("message") or answer.reason)
        return value

    def container(self, name: str) -> Any:
        """A container as `docker inspect` shows it. Raises RequestRejected."""
        return self.ask("GET", f"/containers/{quote(name)}/json")

    def image(self, name: str) -> Any:
        """An image as `docker image inspect` shows it. Raises RequestRejected."""
        return self.ask("GET", f"/images/{quote(name)}/json")

    def last_lines(self, container: str, count: int) -> List[str]:
        """The last lines that a container printed. Docker has them: they are in no file that others may
        read."""
        return programs.run([*self.words, "logs", "--tail", str(count), container], 20).output.split("\n")


def reach() -> Docker:
    """The daemon, as we are or by sudo. Raises Failed if neither may reach it, or if it is Podman."""
    reasons = []
    for words in programs.ways("docker"):
        docker = Docker(words)
        try:
            version = docker.ask("GET", "/version")
        except Failed as failed:
            reasons.append(str(failed))
        else:
            if any(_PODMAN in part.get("Name", "").lower() for part in version.get("Components") or ()):
                raise _is_podman("what `docker` reaches here")
            return docker
    if not shutil.which("docker") and shutil.which(_PODMAN):
        raise _is_podman("what this machine has")
    if any(_PODMAN in reason.lower() for reason in reasons):
        raise _is_podman("`docker` here")
    raise Failed("; ".join(reasons))


def _is_podman(what: str) -> Failed:
    return Failed(
        f"{what} is Podman, which restart.docker does not support: let systemd run the container (Podman's "
        "Quadlet), and use restart.systemd"
    )
