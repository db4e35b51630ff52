"""The settings of the restart drivers, as an inventory has them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema

from rollout.inventory.command import CommandSetting
from rollout.inventory.quantities import Timeout
from rollout.inventory.request import Request
from rollout.inventory.section import LIST, SCALAR, SETTINGS, Section, exactly_one, kind, kind_or_list
from rollout.inventory.template import known_placeholders
from rollout.inventory.texts import AbsolutePath, FilledWord, NodeName, Text, UdpUrl, Word

DRIVERS = (
    "celery",
    "command",
    "docker",
    "gunicorn",
    "http",
    "processes",
    "runit",
    "signal",
    "supervisor",
    "systemd",
    "uwsgi",
)
"""The keys of `restart:` of which there is exactly one."""

WITH_A_GAP = (
    "command",
    "docker",
    "runit",
    "supervisor",
    "systemd",
)
"""Drivers that may leave nobody to answer during a restart: the node must have left its load balancers."""

RELOAD = "reload"
"""The `action` of a driver with which the application keeps answering."""
NO = ("no", "false", "off", "n", "f", "0")
"""The words for no, as pydantic reads them."""


def keeps_answering(settings: Any) -> bool:
    """Whether the settings of a driver, as plain data, say that the application answers during the
    restart."""
    return isinstance(settings, dict) and (
        settings.get("action") == RELOAD or str(settings.get("gap")).lower() in NO
    )


class Celery(Section):
    """A Celery worker: it leaves its queues, finishes its tasks, is restarted, and must execute a task."""

    app: Word = Field(description="The app, as for `celery -A`, such as shop.tasks")
    node: NodeName = Field(
        default="celery@{node}", description="The worker's node name; {host} and {node} are filled in"
    )
    drain: Timeout = Field(default=120.0, description="How long the worker's tasks may take to finish")
    start: Text = Field(description="A shell line that restarts the worker")
    python: FilledWord = Field(
        default="python3", description="The application's own interpreter, on the node"
    )
    directory: AbsolutePath | None = Field(
        default=None, description="The folder to import the app from; by default the home directory"
    )


class Docker(Section):
    """A container, replaced by one of another image with the same configuration."""

    container: FilledWord = Field(description="The container's name")
    image: FilledWord = Field(
        description="The new image, such as shop:$ROLLOUT_RELEASE; a rolling restart keeps the old image"
    )


class Gunicorn(Section):
    """A gunicorn: it gets new workers, or a new master with new workers, which prove that they are ready."""

    pidfile: AbsolutePath = Field(description="gunicorn's own pidfile, as in its setting `pidfile`")
    mode: Literal["reload", "rolling", "upgrade"] = Field(
        description="reload: HUP, for applications that start at once; rolling: worker by worker, each "
        "new one ready before an old one is asked to finish; upgrade: a new master beside the old one, "
        "by USR2"
    )
    ready: Timeout = Field(default=60.0, description="How long a worker may take to become ready")
    drain: Timeout | None = Field(
        default=None,
        description="How long an old worker may take to finish, before it is ended with its connections; "
        "by default gunicorn's own graceful_timeout",
    )
    notify: UdpUrl | None = Field(
        default=None,
        description="Where workers report that they are ready, such as udp://127.0.0.1:4012; "
        "by default a socket beside the pidfile",
    )


class Processes(Section):
    """Workers that a supervisor replaces on a signal; each of them shows that it works."""

    pidfile: AbsolutePath = Field(description="The file that the supervisor writes its id to")
    signal: Literal["HUP", "USR1", "USR2"] = Field(
        default="HUP", description="The signal on which it replaces its workers, new ones first"
    )
    beats: AbsolutePath = Field(description="A folder in which each worker touches the file of its id")
    ready: Timeout = Field(default=30.0, description="How long the new workers may take until all beat")
    drain: Timeout = Field(
        default=60.0, description="How long old workers may then take to finish, before they are killed"
    )
    log: AbsolutePath | None = Field(
        default=None, description="Their log; its last lines are shown if the restart fails"
    )


_SEVERAL = r"^[^\s-]\S*( +[^\s-]\S*)*$"


def _several(expected: str) -> Callable[[str], str]:
    def names(value: str) -> str:
        if not re.fullmatch(_SEVERAL, value):
            raise ValueError(f"expected one or more {expected}")
        return known_placeholders(value)

    return names


_PATTERN = WithJsonSchema({"type": "string", "pattern": _SEVERAL})
ServiceNames = Annotated[str, AfterValidator(_several("services, such as shop or shop-1 shop-2")), _PATTERN]
ProgramNames = Annotated[
    str, AfterValidator(_several("programs or groups, such as shop or shop:* mail")), _PATTERN
]
UnitNames = Annotated[str, AfterValidator(_several("units, such as shop.service or shop@1 shop@2")), _PATTERN]


class Signal(Section):
    """A signal to the process that a pidfile names, and the proof that it had an effect."""

    pidfile: AbsolutePath = Field(
        description="The file that the application's first process writes its id to"
    )
    signal: Literal["HUP", "USR1", "USR2", "WINCH", "INT", "TERM", "QUIT"] = Field(
        default="HUP", description="The signal"
    )
    proof: Literal["new-pid", "new-children", "health"] = Field(
        description="new-pid: the pidfile names another process, and the old one is gone; new-children: as "
        "many new children have come as it had old ones, and no old one is left; health: the health page"
    )


class Supervisor(Section):
    """One or more programs of a supervisor, and where that is."""

    program: ProgramNames = Field(
        description="A program or group, such as shop or shop:*; or several, separated by spaces"
    )
    configuration: AbsolutePath | None = Field(
        default=None, description="supervisord.conf, as for `supervisorctl -c`; by default where that looks"
    )
    supervisorctl: FilledWord = Field(
        default="supervisorctl", description="The program, such as /srv/shop/venv/bin/supervisorctl"
    )


SupervisorSetting = Annotated[
    Annotated[ProgramNames, Tag(SCALAR)] | Annotated[Supervisor, Tag(SETTINGS)],
    Discriminator(kind),
]


class Systemd(Section):
    """One or more systemd units, and whether they are restarted or reloaded."""

    unit: UnitNames = Field(
        description="The unit, such as shop@{node}.service; or several, separated by spaces"
    )
    action: Literal["restart", "reload"] = Field(
        default="restart",
        description="restart stops and starts the unit; reload makes it load its code again, which the "
        "unit must support: by Type=notify-reload, or an ExecReload= that ends when the reload is done",
    )
    user: bool = Field(
        default=False,
        description="Whether they are units of the user who logs in (systemctl --user), who must linger",
    )


UnitSetting = Annotated[
    Annotated[UnitNames, Tag(SCALAR)] | Annotated[Systemd, Tag(SETTINGS)],
    Discriminator(kind),
]


class Uwsgi(Section):
    """A uWSGI, which is reloaded by its master FIFO."""

    fifo: AbsolutePath = Field(description="`master-fifo` in uWSGI's settings; with refork, the second one")
    mode: Literal["chain", "refork", "reload"] = Field(
        description="chain: worker after worker; refork: a new master beside the old one; reload: all at once"
    )


class Restart(Section):
    """How the service is restarted, by exactly one driver."""

    model_config = exactly_one(*DRIVERS)
    drivers: ClassVar[tuple[str, ...]] = DRIVERS
    with_a_gap: ClassVar[tuple[str, ...]] = WITH_A_GAP

    celery: Celery | None = Field(
        default=None,
        description="A Celery worker, which leaves its queues first, and must then execute a task",
    )
    command: CommandSetting | None = Field(
        default=None, description="A shell line that ends when the restart is done; or settings"
    )
    docker: Docker | None = Field(default=None, description="A container, which gets another image")
    gunicorn: Gunicorn | None = Field(default=None, description="A gunicorn, in one of three modes")
    http: Request | None = Field(
        default=None, description="A request on which the application loads its data or code again"
    )
    processes: Processes | None = Field(
        default=None, description="Workers that a supervisor replaces on a signal"
    )
    runit: ServiceNames | None = Field(
        default=None, description="One or more runit services, separated by spaces, such as shop-1 shop-2"
    )
    signal: Signal | None = Field(default=None, description="A signal to the process that a pidfile names")
    supervisor: SupervisorSetting | None = Field(
        default=None,
        description="One or more programs or groups in supervisor, such as shop or shop:*; or settings",
    )
    systemd: UnitSetting | None = Field(
        default=None, description="One or more units to restart, such as shop@{node}.service; or settings"
    )
    uwsgi: Uwsgi | None = Field(default=None, description="A uWSGI, which is reloaded by its master FIFO")
    start: Text | None = Field(
        default=None,
        description="A shell line that starts the application where it does not run, such as sudo systemctl "
        "start shop; without one, rollout waits until somebody else has started it",
    )
    timeout: Timeout = Field(default=120.0, description="How long the restart may take")

    @property
    def driver(self) -> tuple[str, Any]:
        """The name of the driver that the inventory chooses, and its settings."""
        return next((name, value) for name in self.drivers if (value := getattr(self, name)) is not None)

    @classmethod
    def leaves_a_gap(cls, settings: dict[str, Any]) -> bool:
        """Whether there may be nobody to answer during a restart; `settings` are all of it, as plain data."""
        return any(key in cls.with_a_gap and not keeps_answering(value) for key, value in settings.items())


_R = TypeVar("_R", bound=Restart)
RestartSetting = Annotated[
    Annotated[Literal["none"], Tag(SCALAR)]
    | Annotated[_R, Tag(SETTINGS)]
    | Annotated[list[_R], Field(min_length=1), Tag(LIST)],
    Discriminator(kind_or_list),
]
"""How the service is restarted: not at all, by one driver, or by several, one after another."""
