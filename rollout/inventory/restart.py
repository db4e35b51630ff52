"""The section `restart`: how a service is restarted, with the settings of each driver."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from rollout.inventory.quantities import Timeout
from rollout.inventory.request import Request
from rollout.inventory.section import MAPPING, SCALAR, Section, exactly_one, form
from rollout.inventory.texts import AbsolutePath, NodeName, Text, UdpUrl, Word

DRIVERS = (
    "celery",
    "command",
    "docker",
    "gunicorn",
    "http",
    "processes",
    "signal",
    "supervisor",
    "systemd",
    "uwsgi",
)
"""The keys of `restart:`, exactly one of which is given."""

WITH_A_GAP = (
    "command",
    "docker",
    "supervisor",
    "systemd",
)
"""Drivers during whose restart nothing may answer: the node must be out of rotation before."""

RELOAD = "reload"
"""The `action` of a driver during which the application goes on answering."""


def leaves_a_gap(driver: str, settings: Any) -> bool:
    """Whether nothing may answer during the restart; `settings` are the driver's, as plain data."""
    reloads = isinstance(settings, dict) and settings.get("action") == RELOAD
    return driver in WITH_A_GAP and not reloads


class Celery(Section):
    """A Celery worker: it leaves its queues, finishes its tasks, is restarted, and must execute a task."""

    app: Word = Field(description="The application, as `celery -A` takes it, such as shop.tasks")
    node: NodeName = Field(
        default="celery@{node}", description="The worker's node name; {host} and {node} are filled in"
    )
    drain: Timeout = Field(default=120.0, description="How long its running tasks may take to finish")
    start: Text = Field(description="A shell line that restarts the worker")
    python: Word = Field(default="python3", description="The application's own interpreter, on the node")
    directory: AbsolutePath | None = Field(
        default=None, description="The folder to import the app from; by default where a login begins"
    )


class Docker(Section):
    """A container, replaced by one of another image with the same configuration."""

    container: Word = Field(description="The container's name")
    image: Word = Field(
        description="The new image, such as shop:$ROLLOUT_RELEASE; a rolling restart keeps the old one"
    )


class Gunicorn(Section):
    """A gunicorn that gets new workers, or a new master with new workers, which must report ready."""

    pidfile: AbsolutePath = Field(description="gunicorn's pidfile, as in its setting of that name")
    mode: Literal["reload", "rolling", "upgrade"] = Field(
        description="reload: by HUP, for an application that starts at once; rolling: worker by worker, each "
        "new one ready before an old one must finish; upgrade: a new master beside the old one, by USR2"
    )
    ready: Timeout = Field(default=60.0, description="How long a worker may take to be ready")
    notify: UdpUrl | None = Field(
        default=None,
        description="Where workers report that they are ready, such as udp://127.0.0.1:4012; "
        "by default a socket beside the pidfile",
    )


class Processes(Section):
    """Workers that a supervisor replaces on a signal, and that show by a file that they work."""

    pidfile: AbsolutePath = Field(description="The file with the id of the supervisor's process")
    signal: Literal["HUP", "USR1", "USR2"] = Field(
        default="HUP", description="The signal on which it replaces its workers, new ones first"
    )
    beats: AbsolutePath = Field(
        description="A folder in which each worker keeps touching a file named after its process id"
    )
    ready: Timeout = Field(
        default=30.0, description="How long new workers may take until each has touched its file"
    )
    drain: Timeout = Field(
        default=60.0, description="How long old workers may then take to finish before they are ended"
    )
    log: AbsolutePath | None = Field(
        default=None, description="The log of the supervisor and its workers, shown if they fail"
    )


class Signal(Section):
    """A signal to the process that a pidfile names, and the proof that the restart happened."""

    pidfile: AbsolutePath = Field(description="The file with the id of the application's main process")
    signal: Literal["HUP", "USR1", "USR2", "WINCH", "INT", "TERM", "QUIT"] = Field(
        default="HUP", description="The signal"
    )
    proof: Literal["new-pid", "new-children", "health"] = Field(
        description="new-pid: the pidfile names another process, and the old one is gone; new-children: it "
        "has as many new children as it had, and no old one is left; health: the health page shows it"
    )


class Systemd(Section):
    """A systemd unit that is restarted or reloaded."""

    unit: Word = Field(description="The unit, such as shop.service")
    action: Literal["restart", "reload"] = Field(
        default="restart",
        description="restart stops and starts the unit; reload makes it load its code or data again, which "
        "the unit must support: by Type=notify-reload, or an ExecReload= that ends when the reload is done",
    )


UnitSetting = Annotated[
    Annotated[Word, Tag(SCALAR)] | Annotated[Systemd, Tag(MAPPING)],
    Discriminator(form),
]


class Uwsgi(Section):
    """A uWSGI that is reloaded by its master FIFO."""

    fifo: AbsolutePath = Field(
        description="The path in `master-fifo` of uWSGI's settings; with refork, the second one"
    )
    mode: Literal["chain", "refork", "reload"] = Field(
        description="chain: worker by worker; refork: a new master beside the old one; reload: all at once"
    )


class Restart(Section):
    """How the service is restarted, by exactly one driver."""

    model_config = exactly_one(*DRIVERS)

    celery: Celery | None = Field(
        default=None,
        description="A Celery worker, which first leaves its queues, and must then execute a task",
    )
    command: Text | None = Field(default=None, description="A shell line that ends when the restart is done")
    docker: Docker | None = Field(default=None, description="A container, which gets another image")
    gunicorn: Gunicorn | None = Field(default=None, description="A gunicorn, reloaded in one of three modes")
    http: Request | None = Field(
        default=None, description="A request that makes the application load its data again"
    )
    processes: Processes | None = Field(
        default=None, description="Workers that a supervisor replaces on a signal"
    )
    signal: Signal | None = Field(default=None, description="A signal to the process that a pidfile names")
    supervisor: Word | None = Field(
        default=None, description="A program or a group of supervisor, such as shop or shop:*"
    )
    systemd: UnitSetting | None = Field(
        default=None, description="A unit such as shop.service, which is restarted; or its settings"
    )
    uwsgi: Uwsgi | None = Field(default=None, description="A uWSGI that is reloaded by its master FIFO")
    timeout: Timeout = Field(default=120.0, description="How long it may take")

    @property
    def driver(self) -> tuple[str, Any]:
        """The name of the driver that is given, and its settings."""
        return next((name, value) for name in DRIVERS if (value := getattr(self, name)) is not None)


RestartSetting = Annotated[
    Annotated[Literal["none"], Tag(SCALAR)] | Annotated[Restart, Tag(MAPPING)],
    Discriminator(form),
]
