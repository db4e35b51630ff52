"""The application's Celery app, imported as its worker imports it, and the broker that both talk to."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import contextmanager
from typing import Any, Iterator, Optional

from rollout.agents.common.talk import Failed, NotThere, say

_FRAMES = 4
"""Of a traceback, only the end is shown: the application's own lines are there."""
_CONNECT = 5
"""Seconds to reach the broker."""


def load(name: str, directory: Optional[str]) -> Any:
    """The app that `celery -A NAME` finds in the directory, with all modules that its worker would import.
    Raises Failed; NotThere if there is no such directory, or nothing of the app in it."""
    if directory is not None:
        try:
            os.chdir(directory)
        except FileNotFoundError as error:
            raise NotThere(f"{directory}: {error.strerror}") from None
    where = f"{name} in {os.getcwd()}"
    # The application may import rollout itself, and must not find the modules that were sent here.
    for module in [module for module in sys.modules if module.partition(".")[0] == "rollout"]:
        del sys.modules[module]
    try:
        from celery import Celery
        from celery.app.utils import find_app
    except ImportError as error:
        python = f"{sys.executable} cannot import Celery ({error})"
        raise Failed(f"{python}: name the application's own interpreter in `python:`") from None
    try:
        app = find_app(name)
        if not isinstance(app, Celery):
            raise Failed(f"{where} is not a Celery app")
        app.loader.import_default_modules()
        app.finalize()
    except (Exception, SystemExit) as error:
        if isinstance(error, Failed):
            raise
        _show(error)
        package = name.partition(":")[0].partition(".")[0]
        missing = isinstance(error, ModuleNotFoundError) and error.name == package
        reason = f"{where} does not load: {type(error).__name__}: {error}"
        raise (NotThere if missing else Failed)(reason) from None
    return app


def require_routing(app: Any, task: str) -> None:
    """Call the app's own routers for a task, as whoever sends it does. Raises NotThere if they raise, since a
    release may bring others."""
    try:
        app.amqp.router.route({}, task, (), {})
    except Exception as error:
        _show(error)
        raise NotThere(
            f"the app's task_routes raise for {task}, which rollout sends to the new worker as a test: "
            f"{type(error).__name__}: {error}; a router must return None for tasks that it does not know"
        ) from None


def _show(error: BaseException) -> None:
    """Print where an error was raised, without the import system's own part."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen") and "/importlib/" not in frame.filename
    ]
    shown = [*traceback.format_list(frames[-_FRAMES:]), *traceback.format_exception_only(type(error), error)]
    for line in "".join(shown).splitlines():
        say(line)


@contextmanager
def broker_of(app: Any) -> Iterator[str]:
    """Connect to the app's broker; yield its URL without a password. Raises Failed if the broker cannot be
    reached, or is lost during the block, or refuses what it is asked for."""
    from kombu.exceptions import OperationalError

    try:
        connection = app.connection_for_write()
        url = connection.as_uri()
        if connection.transport.driver_type == "redis":
            # By default redis-py waits as long as the system does.
            options = {"socket_connect_timeout": _CONNECT, **app.conf.broker_transport_options}
            app.conf.broker_transport_options = options
            connection = app.connection_for_write()
        refusals = connection.channel_errors
        lost = (OperationalError, *connection.connection_errors)
    except Exception as error:  # its text could show the password
        raise Failed(f"Celery cannot read the app's broker URL: {type(error).__name__}") from None
    doing = "be reached"
    try:
        with connection:
            connection.connect()
        doing = "be reached any more"
        yield url
    except LookupError:  # kombu takes it for an error of Redis, but any code may raise it
        raise
    except (*lost, *refusals) as error:
        refused = isinstance(error, refusals) or isinstance(error.__cause__, refusals)
        what = "refuses what rollout needs there" if refused else f"cannot {doing}"
        raise Failed(f"the broker {url} {what}: {error}") from None
