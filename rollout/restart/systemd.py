"""`restart.systemd`: a unit, restarted or reloaded by systemctl. The proof is the state that systemd
shows.

systemd refuses to start a unit that was started too often, such as one that a broken release has crashed. So
a restart begins with `reset-failed`, which forgets that. Where sudo does not allow it, the restart is tried
all the same.
"""

from __future__ import annotations

import re
import shlex
from functools import partial

from rollout.agents.common.talk import NotRunning, NotThere
from rollout.errors import UsageError
from rollout.inventory.restart import RELOAD, Systemd
from rollout.inventory.template import Fill
from rollout.restart.driver import Job, Proof, RestartPlan
from rollout.restart.systemd_state import (
    PROPERTIES,
    compare_life,
    compare_reload,
    compare_restart,
    not_active,
    under_way,
)

_UNIT = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,254}")
_AS_ROOT = '$([ "$(id -u)" = 0 ] || echo sudo -n)'
_LOADED = f"""\
show() {{{{ systemctl show {{name}} -p "$1" --value; }}}}
refuse() {{{{ echo "$1"; exit ${{{{2:-1}}}}; }}}}
show LoadState | grep -qx not-found && refuse "there is no usable unit "{{name}} {NotThere.exit_status}
show LoadState | grep -qx loaded || refuse "there is no usable unit "{{name}}
"""
_RELOADS = f"""\
version=$(systemctl --version | sed -n '1s/^systemd \\([0-9]*\\).*/\\1/p')
show CanReload | grep -qx yes || refuse {{name}}" cannot be reloaded: it has neither ExecReload= nor \
Type=notify-reload, which systemd has from 253 on (here runs $version)"
show ActiveState | grep -qx active ||
    refuse {{name}}" is not active: only a running unit can be reloaded" {NotRunning.exit_status}
show Type | grep -qx notify-reload || show ExecReload | grep -v 'path=\\([^ ]*/\\)\\?kill ;' |
    grep -q ignore_errors=no || refuse {{name}}"'s ExecReload= only sends a signal, or its failure is \
ignored: it would prove nothing; use Type=notify-reload, an ExecReload= that ends when the reload is done, \
or restart.signal"
"""
_ALLOWED = '[ "$(id -u)" = 0 ] || sudo -n -l systemctl {action} {name} >/dev/null || exit 1\n'
_MAY_RESET = """\
[ "$(id -u)" = 0 ] || sudo -n -l systemctl reset-failed {name} >/dev/null 2>&1 ||
    echo "sudo does not allow \\`systemctl reset-failed "{name}"\\`, so systemd may refuse to start a unit \
that has failed often: allow it in sudoers, as \\`$(id -un) ALL=(root) NOPASSWD: \
$(command -v systemctl) reset-failed "{name}"\\`"
"""


def plan_restart(settings: Systemd | str, timeout: float, _: Fill) -> RestartPlan:
    """The plan of the restart. systemctl runs as root or with `sudo -n`. Raises UsageError for a name that no
    unit can have."""
    if isinstance(settings, str):
        settings = Systemd.model_construct(unit=settings)
    if not _UNIT.fullmatch(settings.unit):
        raise UsageError(
            f"restart.systemd: {settings.unit!r} is not the name of a systemd unit",
            hint="expected a name such as shop.service",
        )
    return _reload(settings.unit, timeout) if settings.action == RELOAD else _restart(settings.unit, timeout)


def _restart(unit: str, timeout: float) -> RestartPlan:
    name = shlex.quote(unit)
    reset = f"{_AS_ROOT} systemctl reset-failed {name} 2>/dev/null"
    observe, may_reset = _observe(name), _MAY_RESET.format(name=name)
    has_failed = f"systemctl is-failed --quiet {name}"
    return RestartPlan(
        command=f"{reset}; {_AS_ROOT} systemctl restart {name}",
        timeout=timeout,
        precheck=(_LOADED + _ALLOWED).format(name=name, action="restart") + may_reset,
        proof=Proof(
            observe=observe,
            compare=partial(compare_restart, unit),
            compare_life=partial(compare_life, unit),
            explain=f"{_explain(name)}\n{has_failed} || exit 0\n{may_reset}",
        ),
        job=Job(observe, partial(under_way, unit)),
    )


def _reload(unit: str, timeout: float) -> RestartPlan:
    name = shlex.quote(unit)
    observe = _observe(name)
    return RestartPlan(
        command=f"{_AS_ROOT} systemctl reload {name}",
        timeout=timeout,
        precheck=(_LOADED + _RELOADS + _ALLOWED).format(name=name, action="reload"),
        proof=Proof(
            observe=observe,
            compare=partial(compare_reload, unit),
            compare_life=partial(compare_life, unit),
            explain=_explain(name),
            stopped=partial(not_active, unit),
        ),
        job=Job(observe, partial(under_way, unit)),
        start=f"{_AS_ROOT} systemctl reset-failed {name} 2>/dev/null; {_AS_ROOT} systemctl start {name}",
    )


def _observe(name: str) -> str:
    return f"systemctl show {name} {' '.join(f'-p {item}' for item in PROPERTIES)}"


def _explain(name: str) -> str:
    journal = f"journalctl -u {name} -n 20 --no-pager -o cat"
    return f"systemctl status {name} --no-pager -n 0; {_AS_ROOT} {journal} 2>/dev/null || {journal}"
