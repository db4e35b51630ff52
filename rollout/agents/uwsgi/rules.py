"""The settings that each way of reloading needs, so that after a broken release the old one keeps serving."""

from __future__ import annotations

from rollout.agents.common.talk import Failed, say
from rollout.agents.uwsgi.settings import Settings

_HOOK = "hook-accepting1-once"
"""Without `once`, a first worker that was replaced would end its own master."""
_ROUTERS = ("http", "httprouter", "https", "https2", "fastrouter", "rawrouter", "sslrouter")
_STATISTICS = ("stats", "stats-server")
_DAEMONS = ("attach-daemon", "attach-daemon2", "legacy-attach-daemon", "smart-attach-daemon")
"""Programs beside the application. They may be anything, such as a database that must not be restarted."""


def must_fit(settings: Settings, mode: str, fifo: str) -> None:
    """Raises Failed with what to change in uWSGI's settings."""
    if fifo not in settings.fifos:
        say(
            f"rollout cannot see uWSGI's settings (no master-fifo = {fifo} in them), so it does not "
            "check them"
        )
    elif mode == "chain":
        _chain(settings)
    elif mode == "refork":
        _refork(settings, fifo)


def _chain(settings: Settings) -> None:
    if not settings.on("lazy-apps") and not settings.on("lazy"):
        raise Failed(
            "chain: without `lazy-apps` or `lazy` in uWSGI's settings every new worker runs the code that "
            "the master has loaded: the old one"
        )
    if settings.on("lazy-apps") and settings.on("need-app"):
        raise Failed(
            "chain: with `lazy-apps` and `need-app` in its settings uWSGI ends altogether when a worker "
            "cannot load the application: set `lazy` in place of `lazy-apps`, which only ends that worker"
        )
    for key in _DAEMONS:
        for line in settings.all(key):
            say(f"a chain does not restart what uWSGI has started by `{key}`: {line} runs on as it is")


def _refork(settings: Settings, fifo: str) -> None:
    fifos = settings.fifos
    if fifo == fifos[0] or len(fifos) == 1:
        raise Failed(
            f"refork: uWSGI's settings need two FIFOs: a `master-fifo` that a new master begins with, and "
            f"after it `master-fifo = {fifo}`, which it takes over"
        )
    written = [hook.partition("writefifo:")[2].rpartition(" ") for hook in settings.all(_HOOK)]
    words = [(settings.path(path), text) for path, _, text in written]
    if not any(path == fifo and text.endswith("q") for path, text in words):
        raise Failed(
            f"refork: nothing in uWSGI's settings ends the old master: add "
            f"`{_HOOK} = writefifo:{fifo} {'2q' if len(fifos) > 2 else 'q'}`"
        )
    slot = str(fifos.index(fifo))
    if not any(path == fifos[0] and slot in text for path, text in words):
        raise Failed(
            f"refork: nothing in uWSGI's settings has the new master take over {fifo}: add "
            f"`{_HOOK} = writefifo:{fifos[0]} {slot}`"
        )
    if not settings.on("need-app"):
        raise Failed(
            "refork: without `need-app` in uWSGI's settings a new master that cannot load the application "
            "takes over all the same, and answers 500"
        )
    if settings.on("vacuum"):
        raise Failed(
            "refork: with `vacuum` the old master removes files that the new one uses: remove `vacuum`"
        )
    for key in (*_ROUTERS, *_STATISTICS):
        if any(key in _ROUTERS or not address.startswith("/") for address in settings.all(key)):
            raise Failed(
                f"refork: the address of `{key}` is not handed on, so the new master cannot have it while "
                "the old one does: remove it (`http-socket` needs no router; `stats` may be a UNIX socket)"
            )
