"""`restart.systemd`: a unit, restarted or reloaded by systemctl. The proof is the state that systemd
shows."""

from __future__ import annotations

import re
import shlex
from functools import partial

from rollout.errors import UsageError
from rollout.inventory.restart import Systemd
from rollout.inventory.template import Fill
from rollout.restart.driver import Job, Proof, RestartPlan
from rollout.restart.systemd_state import PROPERTIES, compare_reload, compare_restart, under_way

_UNIT = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,254}")
_AS_ROOT = '$([ "$(id -u)" = 0 ] || echo sudo -n)'
_LOADED = """\
show() {{ systemctl show {name} -p "$1" --value; }}
refuse() {{ echo "$1"; exit 1; }}
show LoadState | grep -qx loaded || refuse "there is no usable unit "{name}
"""
_RELOADS = """\
version=$(systemctl --version | sed -n '1s/^systemd \\([0-9]*\\).*/\\1/p')
show CanReload | grep -qx yes || refuse {name}" cannot be reloaded: it has neither ExecReload= nor \
Type=notify-reload, which systemd has from 253 on (here runs $version)"
show ActiveState | grep -qx active || refuse {name}" is not active: only a running unit can be reloaded"
show Type | grep -qx notify-reload || show ExecReload | grep -v 'path=\\([^ ]*/\\)\\?kill ;' |
    grep -q ignore_errors=no || refuse {name}"'s ExecReload= only sends a signal, or its failure is ignored: \
it would prove nothing; use Type=notify-reload, an ExecReload= that ends when the reload is done, or \
restart.signal"
"""
_ALLOWED = '[ "$(id -u)" = 0 ] || sudo -n -l systemctl {action} {name} >/dev/null'


def plan_restart(settings: Systemd | str, timeout: float, _: Fill) -> RestartPlan:
    """The plan of the restart. systemctl runs as root or with `sudo -n`. Raises UsageError for a name that no
    unit can have."""
    if isinstance(settings, str):
        settings = Systemd.model_construct(unit=settings)
    unit, action = settings.unit, settings.action
    if not _UNIT.fullmatch(unit):
        raise UsageError(
            f"restart.systemd: {unit!r} is not the name of a systemd unit",
            hint="expected a name such as shop.service",
        )
    name = shlex.quote(unit)
    checks = f"{_LOADED}{_RELOADS if action == 'reload' else ''}{_ALLOWED}"
    observe = f"systemctl show {name} {' '.join(f'-p {item}' for item in PROPERTIES)}"
    journal = f"journalctl -u {name} -n 20 --no-pager -o cat"
    return RestartPlan(
        command=f"{_AS_ROOT} systemctl {action} {name}",
        timeout=timeout,
        precheck=checks.format(name=name, action=action),
        proof=Proof(
            observe=observe,
            compare=partial(compare_reload if action == "reload" else compare_restart, unit),
            explain=f"systemctl status {name} --no-pager -n 0; {_AS_ROOT} {journal} 2>/dev/null || {journal}",
        ),
        job=Job(observe, partial(under_way, unit)),
    )
