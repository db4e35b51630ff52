"""Replaces a container by one of another image with the same configuration, and proves that it runs.

The old one is kept, stopped, until then; if the new one is broken it serves again.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import Any, NamedTuple, Optional
from urllib.parse import quote

from rollout.agents.common import deadline, programs
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.talk import Failed, NotRunning, say, still_heard
from rollout.agents.docker import copy, places
from rollout.agents.docker.api import Docker, RequestRejected, reach

_LOOK_AGAIN = 0.1
_PUT_BACK = 10.0
"""Seconds before the time-out at which we give up, so that the old container can come back."""
_LAST_LINES = 10
_NOT_FOUND = 404


class Options(NamedTuple):
    """Without an `image` the container is only restarted. A new container must run for `steady` seconds;
    `timeout` is in seconds, too."""

    container: str
    image: Optional[str]
    steady: float
    timeout: float
    check: bool = False
    """Only check that the restart can be carried out, and touch nothing."""


def main(options: Options) -> None:
    name = options.container
    if options.check:
        _tell_chosen_ports(_find(reach(), name))
        return
    # A signal to our group could end us half way. We look for ourselves whether anybody still listens.
    if os.getsid(0) != os.getpid():
        os.setpgrp()
    end = deadline.before(options.timeout, _PUT_BACK)
    docker = reach()
    _settle(docker, name)
    old = _find(docker, name)
    if options.image:
        _replace(docker, old, options.image, options.steady, end)
    else:
        _restart(docker, old, options.steady, end)


def _find(docker: Docker, name: str) -> Any:
    """The container as Docker shows it. Raises Failed if there is none, or none that could be replaced."""
    container = _shown(docker, name) or _shown(docker, _kept(name))
    if not container:
        raise NotRunning(f"there is no container {name}: create it once with `docker run` or `docker create`")
    if container["HostConfig"]["AutoRemove"]:
        raise Failed(f"container {name} was created with --rm: Docker would remove it as soon as it stops")
    if container["State"]["Paused"]:
        raise Failed(f"container {name} is paused: run `docker unpause {name}` first")
    if "com.docker.swarm.service.name" in (container["Config"]["Labels"] or {}):
        raise Failed(f"container {name} belongs to Swarm: use `docker service update` as a command")
    return container


def _tell_chosen_ports(container: Any) -> None:
    for port, bindings in places.chosen(container).items():
        say(
            f"Docker has chosen {places.in_words(bindings)} for port {port}. A container from another image "
            "keeps that, but a restart may change it: publish it at a port of your choice"
        )


def _settle(docker: Docker, name: str) -> None:
    """Clean up after a replacement that was interrupted: of the two containers, the one that serves stays."""
    _remove(docker, _coming(name))
    if _shown(docker, _kept(name)):
        new = _shown(docker, name)
        if new and new["State"]["Running"] and _health(new) in ("none", "healthy"):
            _remove(docker, _kept(name))
            return
        say(f"an earlier replacement of {name} was interrupted: its old container comes back first")
        _remove(docker, name)
        _rename(docker, _kept(name), name)
        _start(docker, name)


def _restart(docker: Docker, container: Any, steady: float, end: Deadline) -> None:
    name = container["Name"].lstrip("/")
    docker.ask("POST", f"/containers/{container['Id']}/restart")
    try:
        how = _prove(docker, container["Id"], steady, end)
    except Failed as failed:
        _say_last_lines(docker, container["Id"])
        raise Failed(f"BROKEN: {name} was restarted, and {failed}") from None
    say(f"{name} was restarted ({how})")
    _tell_changes(docker, container, container["Id"])


def _replace(docker: Docker, old: Any, image: str, steady: float, end: Deadline) -> None:
    """Make the new container while the old one runs, to find early whatever is wrong with it."""
    name, before = old["Name"].lstrip("/"), old["Config"]["Image"]
    _pull(docker, image, end)
    new = _make(docker, old, image)
    try:
        docker.ask("POST", f"/containers/{old['Id']}/stop")
        _rename(docker, old["Id"], _kept(name))
        _rename(docker, new, name)
        _start(docker, new)
        how = _prove(docker, new, steady, end)
    except Failed as failed:
        _say_last_lines(docker, new)
        _restore(docker, old, new)
        again = "runs again" if old["State"]["Running"] else "is back, and still stopped"
        raise Failed(f"BROKEN: {name} from {image} {failed}; the one from {before} {again}") from None
    except BaseException:
        _restore(docker, old, new)
        raise
    say(f"{name} runs {image} ({how}), no longer {before}")
    _tell_changes(docker, old, new)
    with suppress(Failed):  # else the next replacement clears it away
        _remove(docker, old["Id"])


def _pull(docker: Docker, image: str, end: Deadline) -> None:
    try:
        docker.image(image)
    except RequestRejected as refused:
        if refused.status != _NOT_FOUND:
            raise
        say(f"{image} is not on this machine yet: pulling it")
        pull = programs.run([*docker.words, "pull", "--quiet", image], end.left)
        if pull.status != 0:
            raise Failed(f"{image} cannot be pulled, and nothing was stopped: {pull.last}") from None


def _make(docker: Docker, old: Any, image: str) -> str:
    """Make a container of another image like the old one, but do not start it; return its id."""
    name = old["Name"].lstrip("/")
    body = copy.copy_of(old, docker.image(old["Image"]), image, socket.gethostname())
    new: str = docker.ask("POST", f"/containers/create?name={quote(_coming(name))}", body)["Id"]
    try:
        for network, settings in copy.further_networks(old):
            connection = {"Container": new, "EndpointConfig": settings}
            docker.ask("POST", f"/networks/{quote(network)}/connect", connection)
        still_heard()
    except BaseException:
        _remove(docker, new)
        raise
    return new


def _prove(docker: Docker, container: str, steady: float, end: Deadline) -> str:
    """Wait until the container is proven to run, and return how it runs. Raises Failed."""
    begin = time.monotonic()
    while True:
        shown = docker.container(container)
        state, health, now = shown["State"], _health(shown), time.monotonic()
        if shown["RestartCount"] or not state["Running"]:
            raise Failed(f"ended as soon as it had started (exit status {state['ExitCode']})")
        if health == "unhealthy":
            raise Failed(f"is unhealthy: {state['Health']['Log'][-1]['Output'].strip()}")
        if health == "healthy" and now - begin >= steady:
            return health
        if health == "none" and now - begin >= steady:
            return f"for {steady:g} s, without a health check"
        if end.passed:
            raise Failed(f"did not become healthy in time: its health is {health}")
        still_heard()
        time.sleep(_LOOK_AGAIN)


def _restore(docker: Docker, old: Any, new: str) -> None:
    """Bring the old container back. Raises Failed if it does not run again."""
    name = old["Name"].lstrip("/")
    with suppress(Failed):
        _remove(docker, new)
    with suppress(Failed):  # it may not have been renamed yet
        _rename(docker, old["Id"], name)
    if old["State"]["Running"]:
        try:
            _start(docker, old["Id"])
        except Failed as failed:
            raise Failed(f"BROKEN: {name} is down: its old container did not start again: {failed}") from None
        _tell_changes(docker, old, old["Id"])


def _tell_changes(docker: Docker, before: Any, now: str) -> None:
    """Say what of a container is reached elsewhere than before."""
    name = before["Name"].lstrip("/")
    with suppress(Failed):  # the restart is over, whatever that shows
        for change in places.changes(before, docker.container(now)):
            say(f"{name} is reached elsewhere: {change}")


def _say_last_lines(docker: Docker, container: str) -> None:
    for line in docker.last_lines(container, _LAST_LINES):
        say(line)


def _coming(name: str) -> str:
    return f"{name}.rollout-new"


def _kept(name: str) -> str:
    return f"{name}.rollout-old"


def _health(shown: Any) -> str:
    """The health of a container: `none`, `starting`, `healthy` or `unhealthy`."""
    return str((shown["State"].get("Health") or {}).get("Status") or "none")


def _shown(docker: Docker, name: str) -> Any:
    """A container as Docker shows it; None if there is no such container."""
    try:
        return docker.container(name)
    except RequestRejected as refused:
        if refused.status != _NOT_FOUND:
            raise
        return None


def _rename(docker: Docker, container: str, name: str) -> None:
    docker.ask("POST", f"/containers/{quote(container)}/rename?name={quote(name)}")


def _start(docker: Docker, container: str) -> None:
    docker.ask("POST", f"/containers/{quote(container)}/start")


def _remove(docker: Docker, container: str) -> None:
    """End and remove a container, if it is there; its volumes stay."""
    try:
        docker.ask("DELETE", f"/containers/{quote(container)}?force=1")
    except RequestRejected as refused:
        if refused.status != _NOT_FOUND:
            raise
