"""Programs of ours that run on the node: sent over the connection, they leave nothing behind.

An agent is a module of `rollout.agents` with a function `main` that takes what it is told. The modules go as
text on the standard input of a Python there, where they find each other under their own names; what they are
told goes with them, so that no process list shows it. What an agent prints goes to the journal; when it
fails, its last line says why.
"""

from __future__ import annotations

import shlex
from importlib import resources
from typing import Any, NamedTuple

_END = "ROLLOUT_AGENT_ENDS_HERE"
_START = """\
import sys, types
def load(name, text):
    module = types.ModuleType(name)
    sys.modules[name] = module
    parent, _, last = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], last, module)
    exec(compile(text, name, "exec"), module.__dict__)
    return module
load("rollout", "")
load("rollout.agents", "")
"""
_ACT_FOR_OWNER = """\
owner=$(stat -L -c %U {path} 2>/dev/null) me=$(id -un) as=
if [ -n "$owner" ] && [ "$owner" != "$me" ] && [ "$(id -u)" != 0 ]; then
    if sudo -n -u "$owner" python3 --version >/dev/null 2>&1; then as="sudo -n -u $owner"; fi
fi
"""


def file_owner(path: str) -> str:
    """The owner of a file, for `on_node`."""
    return shlex.quote(path)


def process_owner(pidfile: str) -> str:
    """The owner of the process that a pidfile names, for `on_node`."""
    return f'"/proc/$(cat {shlex.quote(pidfile)} 2>/dev/null)"'


class Fed(NamedTuple):
    """A shell line that runs an agent, and the program that must come first on its standard input; what comes
    after it there is the agent's."""

    line: str
    program: bytes


def on_node(agent: str, *uses: str, acting_for: str = "", **told: Any) -> str:
    """A shell line that runs the agent, with the modules that it uses, each after those that it uses itself.

    Who logs in is not always who runs the application: the agent acts for the owner `acting_for` if `sudo -n`
    allows that, else it runs as it is, and will say what it may not do. root stays root.
    """
    return _acting(acting_for) + _here("$as python3 -I", _program(agent, uses, told))


def in_application(python: str, agent: str, *uses: str, **told: Any) -> str:
    """The same for an agent that imports the application: in its own interpreter, which is not shut off from
    its environment, since that may say where the application is."""
    return _here(shlex.quote(python), _program(agent, uses, told))


def fed(agent: str, *uses: str, acting_for: str = "", **told: Any) -> Fed:
    """As `on_node` for an agent to which something is sent."""
    program = _program(agent, uses, told).encode()
    start = f"import sys; exec(sys.stdin.buffer.read({len(program)}))"
    return Fed(f"{_acting(acting_for)}$as python3 -I -c {shlex.quote(start)}\n", program)


def _here(python: str, program: str) -> str:
    return f"{python} - <<'{_END}'\n{program}{_END}\n"


def _program(agent: str, uses: tuple[str, ...], told: dict[str, Any]) -> str:
    names = [f"rollout.agents.{name}" for name in ("talk", *uses, agent)]
    folder = resources.files("rollout.agents")
    texts = [folder.joinpath(f"{name.rpartition('.')[2]}.py").read_text() for name in names]
    loads = "\n".join(f"module = load({name!r}, {text!r})" for name, text in zip(names, texts, strict=True))
    return f'{_START}{loads}\nsys.modules["rollout.agents.talk"].run(module.main, {told!r})\n'


def _acting(path: str) -> str:
    return _ACT_FOR_OWNER.format(path=path) if path else "as=\n"
