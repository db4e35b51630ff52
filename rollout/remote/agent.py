"""Programs of ours that run on the node: sent over the connection, they leave nothing behind.

An agent is a module of `rollout.agents` with a function `main` that takes what it is told. The modules go as
text on the standard input of a Python there, where they find each other under their own names; what they are
told goes with them, so that no process list shows it. What an agent prints goes to the journal; when it
fails, its last line says why.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import shlex
from typing import Any, NamedTuple

_AGENTS = "rollout.agents"
_TALK = f"{_AGENTS}.common.talk"
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


class AgentInput(NamedTuple):
    """A shell line that runs an agent, and the program that must come first on its standard input; what comes
    after it there is the agent's."""

    line: str
    program: bytes


def on_node(agent: str, *, acting_for: str = "", **told: Any) -> str:
    """A shell line that runs the agent, with the modules that it uses, each after those that it uses itself.

    Who logs in is not always who runs the application: the agent acts for the owner `acting_for` if `sudo -n`
    allows that, else it runs as it is, and will say what it may not do. root stays root.
    """
    return _acting(acting_for) + _here("$as python3 -I", _program(agent, told))


def in_application(python: str, agent: str, **told: Any) -> str:
    """The same for an agent that imports the application: in its own interpreter, which is not shut off from
    its environment, since that may say where the application is."""
    return _here(shlex.quote(python), _program(agent, told))


def on_node_with_input(agent: str, *, acting_for: str = "", **told: Any) -> AgentInput:
    """As `on_node` for an agent to which something is sent."""
    program = _program(agent, told).encode()
    start = f"import sys; exec(sys.stdin.buffer.read({len(program)}))"
    return AgentInput(f"{_acting(acting_for)}$as python3 -I -c {shlex.quote(start)}\n", program)


def _here(python: str, program: str) -> str:
    return f"{python} - <<'{_END}'\n{program}{_END}\n"


def _program(agent: str, told: dict[str, Any]) -> str:
    names = _modules(f"{_AGENTS}.{agent}")
    packages = sorted({name.rpartition(".")[0] for name in (_TALK, *names)} | {"rollout", _AGENTS})
    loads = [f"load({name!r}, '')" for name in packages]
    loads += [f"module = load({name!r}, {_text(name)!r})" for name in _modules(_TALK) + names]
    return "\n".join([_START, *loads, f"sys.modules[{_TALK!r}].run(module.main, {told!r})", ""])


@functools.cache
def _modules(name: str) -> tuple[str, ...]:
    """The agents' modules that one of them needs, each after those that it imports, itself the last."""
    needed: dict[str, None] = {}
    for node in ast.walk(ast.parse(_text(name))):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith(_AGENTS):
            package = hasattr(importlib.import_module(node.module), "__path__")
            imported = [f"{node.module}.{alias.name}" for alias in node.names] if package else [node.module]
            needed.update((module, None) for own in imported for module in _modules(own))
    return (*needed, name)


def _text(name: str) -> str:
    return inspect.getsource(importlib.import_module(name))


def _acting(path: str) -> str:
    return _ACT_FOR_OWNER.format(path=path) if path else "as=\n"
