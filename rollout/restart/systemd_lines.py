"""The shell lines in which systemctl is asked and told about units, as root, with `sudo -n`, or as the user
whose units they are.
"""

from __future__ import annotations

import shlex
from typing import NamedTuple

from rollout.agents.common.talk import NotRunning, NotThere
from rollout.restart.driver import STEADY
from rollout.restart.systemd_state import PROPERTIES

_AS_ROOT = '$([ "$(id -u)" = 0 ] || echo sudo -n)'
_OWN = 'XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/run/user/$(id -u)}" systemctl --user'
"""Whoever logs in by SSH may not have the variable: only some kinds of login set it."""


class Manager(NamedTuple):
    """A service manager: the words that begin a `look` at it, or a `change`, and how people call it; the
    ways to a unit's `journal`; and shell lines that refuse what could not be changed here."""

    called: str
    look: str
    change: str
    journal: tuple[str, ...]
    must_work: str = ""
    must_allow: str = ""
    must_allow_reset: str = ""


_MAY = """\
    [ "$(id -u)" = 0 ] || sudo -n -l systemctl {action} "$unit" >/dev/null || exit 1
"""
_MAY_RESET = """\
    [ "$(id -u)" = 0 ] || sudo -n -l systemctl reset-failed "$unit" >/dev/null 2>&1 ||
        echo "sudo does not allow \\`systemctl reset-failed $unit\\`, so systemd may refuse to start a unit \
that has failed often: allow it in sudoers, as \\`$(id -un) ALL=(root) NOPASSWD: \
$(command -v systemctl) reset-failed $unit\\`"
"""
_LINGERS = f"""\
lingers=$(loginctl show-user "$(id -un)" -p Linger --value 2>/dev/null)
manager=$({_OWN} show -p Version 2>&1) && [ "$lingers" != no ] || refuse \
"the service manager of $(id -un) $([ "$lingers" = no ] && echo "ends when $(id -un) logs out" ||
    echo "does not answer: $manager"): run \\`sudo loginctl enable-linger $(id -un)\\` once"
"""
_REFUSE = 'refuse() { echo "$1"; exit ${2:-1}; }\n'
_EACH = f"""\
running= stopped=
for unit in {{names}}; do
    show() {{{{ {{look}} show "$unit" -p "$1" --value; }}}}
    show LoadState | grep -qx not-found && refuse "there is no usable unit $unit" {NotThere.exit_status}
    show LoadState | grep -qx loaded || refuse "there is no usable unit $unit"
"""
_RELOADS = """\
    version=$(systemctl --version | sed -n '1s/^systemd \\([0-9]*\\).*/\\1/p')
    show CanReload | grep -qx yes || refuse "$unit cannot be reloaded: it has neither ExecReload= nor \
Type=notify-reload, which systemd has from 253 on (here runs $version)"
    show ActiveState | grep -qx active || { stopped="$stopped $unit"; continue; }
    running=$unit
    show Type | grep -qx notify-reload || show ExecReload | grep -v 'path=\\([^ ]*/\\)\\?kill ;' |
        grep -q ignore_errors=no || refuse "$unit's ExecReload= only sends a signal, or its failure is \
ignored: it would prove nothing; use Type=notify-reload, an ExecReload= that ends when the reload is done, \
or restart.signal"
"""
_ALL_RUN = f"""\
[ -z "$stopped" ] || refuse "${{stopped# }} is not active: only a running unit can be reloaded" \
"$([ -n "$running" ] || echo {NotRunning.exit_status})"
"""
_UNTOUCHED = "; the units after it were not touched"
_LINES = 20
"""Lines of a journal that are shown."""

SYSTEM = Manager(
    called="systemctl",
    look="systemctl",
    change=f"{_AS_ROOT} systemctl",
    journal=(f"{_AS_ROOT} journalctl", "journalctl"),
    must_allow=_MAY,
    must_allow_reset=_MAY_RESET,
)
OF_THE_USER = Manager(
    called="systemctl --user",
    look=_OWN,
    change=_OWN,
    journal=("journalctl --user",),
    must_work=_LINGERS,
)


def restart(manager: Manager, units: list[str]) -> str:
    """The line that restarts units: first those that do not run, since they cost nothing if the release is
    broken. The first one must live before the next one is touched."""
    if len(units) == 1:
        unit = _quoted(units)
        return f"{_reset(manager, unit)}; {manager.change} restart {unit}"
    return f"""\
turn() {{
    {_reset(manager, '"$1"')}
    {manager.change} restart "$1" || {{ echo "$1 was not restarted{_UNTOUCHED}"; exit 1; }}
}}
life() {{ {manager.look} show "$1" -p ActiveState -p InvocationID; }}
{_sorted(manager, units)}
set -- $down $up
turn "$1"
life=$(life "$1")
sleep {STEADY:g}
[ "$(life "$1")" = "$life" ] || {{ echo "$1 ended soon after it had started{_UNTOUCHED}"; exit 1; }}
shift
for unit; do turn "$unit"; done
"""


def reload(manager: Manager, units: list[str]) -> str:
    """The line that reloads units, one after another."""
    return " && ".join(f"{manager.change} reload {shlex.quote(unit)}" for unit in units)


def start(manager: Manager, units: list[str]) -> str:
    """The line that starts units, also at their start limits."""
    names = _quoted(units)
    return f"{_reset(manager, names)}; {manager.change} start {names}"


def observe(manager: Manager, units: list[str]) -> str:
    """The line that prints the properties of a unit, or each unit's on a line of its own."""
    properties = " ".join(f"-p {name}" for name in PROPERTIES)
    if len(units) == 1:
        return f"{manager.look} show {_quoted(units)} {properties}"
    shown = f'shown=$({manager.look} show "$unit" {properties})'
    return f"for unit in {_quoted(units)}; do {shown} || exit; echo $shown; done"


def explain(manager: Manager, units: list[str]) -> str:
    """The line that prints the states and last lines of units: of those that are not active, if there are
    such."""
    if len(units) == 1:
        return _explain(manager, _quoted(units), _LINES)
    of_each = _explain(manager, '"$unit"', _LINES // len(units))
    return f"{_sorted(manager, units)}\nfor unit in ${{down:-$up}}; do {of_each}; done"


def why_not_started(manager: Manager, units: list[str]) -> str:
    """The line that says of units that have failed if sudo does not allow to forget that."""
    failed = f'{manager.look} is-failed --quiet "$unit" || continue'
    return f"for unit in {_quoted(units)}; do\n    {failed}\n{manager.must_allow_reset}done"


def may_restart(manager: Manager, units: list[str]) -> str:
    """The lines that fail where the units cannot be restarted."""
    allowed = manager.must_allow.format(action="restart") + manager.must_allow_reset
    return f"{_REFUSE}{manager.must_work}{_each(manager, units)}{allowed}done\n"


def may_reload(manager: Manager, units: list[str]) -> str:
    """The lines that fail where the units cannot be reloaded, or where that would prove nothing."""
    allowed = manager.must_allow.format(action="reload")
    return f"{_REFUSE}{manager.must_work}{_each(manager, units)}{_RELOADS}{allowed}done\n{_ALL_RUN}"


def _quoted(units: list[str]) -> str:
    return " ".join(map(shlex.quote, units))


def _each(manager: Manager, units: list[str]) -> str:
    return _EACH.format(names=_quoted(units), look=manager.look)


def _reset(manager: Manager, names: str) -> str:
    return f"{manager.change} reset-failed {names} 2>/dev/null"


def _sorted(manager: Manager, units: list[str]) -> str:
    """The line that sorts units into those that are `up` and those that are `down`."""
    is_up = f'{manager.look} is-active --quiet "$unit"'
    return (
        f"up= down=; for unit in {_quoted(units)}; do "
        f'if {is_up}; then up="$up $unit"; else down="$down $unit"; fi; done'
    )


def _explain(manager: Manager, unit: str, lines: int) -> str:
    *ways, last = (f"{words} -u {unit} -n {lines} --no-pager -o cat" for words in manager.journal)
    journal = " || ".join([*(f"{way} 2>/dev/null" for way in ways), last])
    return f"{manager.look} status {unit} --no-pager -n 0; {journal}"
