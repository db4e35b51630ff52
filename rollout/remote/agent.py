"""Agents, rollout's own programs that run on a node: sent over the connection, they leave nothing behind.

An agent is a module of `rollout.agents` with a class of options, a NamedTuple, and `main(options)`. To get
a shell line that runs it, pass `main` and such options: types are then checked on both sides. The
modules go as text on the standard input of a Python on the node, where they find each other under their own
names. The options go with them, so no process list shows them. What an agent prints goes to the journal; if
it fails, its last line says why.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import shlex
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol, TypeVar

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


class Options(Protocol):
    """The methods that every NamedTuple has. Its values are Python literals: text, numbers, None, and
    lists of these."""

    def _asdict(self) -> dict[str, Any]: ...


AgentOptions = TypeVar("AgentOptions", bound=Options)


def file_owner(path: str) -> str:
    """The owner of a file, for `acting_for`."""
    return shlex.quote(path)


def process_owner(pidfile: str) -> str:
    """The owner of the process that a pidfile names, for `acting_for`."""
    return f'"/proc/$(cat {shlex.quote(pidfile)} 2>/dev/null)"'


class AgentInput(NamedTuple):
    """A shell line that runs an agent, and the program that must come first on its standard input. The
    agent reads whatever comes after the program."""

    line: str
    program: bytes


def on_node(main: Callable[[AgentOptions], None], options: AgentOptions, *, acting_for: str = "") -> str:
    """A shell line that runs an agent in the node's own python3, shut off from its environment.

    The user who logs in need not be the one who runs the application: the agent acts for the owner
    `acting_for` if `sudo -n` allows that. Otherwise it runs as the login user, and says what it is not
    permitted to do. root stays root."""
    return _acting(acting_for) + _here("$as python3 -I", _program(main, options))


def in_application(python: str, main: Callable[[AgentOptions], None], options: AgentOptions) -> str:
    """A shell line that runs an agent in the application's interpreter, so that it can import the
    application.

    The interpreter is not shut off from its environment, which may say where the application is.
    """
    return _here(shlex.quote(python), _program(main, options))


def on_node_with_input(
    main: Callable[[AgentOptions], None], options: AgentOptions, *, acting_for: str = ""
) -> AgentInput:
    """A shell line as from `on_node`, for an agent that reads its standard input."""
    program = _program(main, options).encode()
    start = f"import sys; exec(sys.stdin.buffer.read({len(program)}))"
    return AgentInput(f"{_acting(acting_for)}$as python3 -I -c {shlex.quote(start)}\n", program)


def _here(python: str, program: str) -> str:
    return f"{python} - <<'{_END}'\n{program}{_END}\n"


def _program(main: Callable[[AgentOptions], None], options: AgentOptions) -> str:
    """The text of all modules, each loaded after those that it imports, and then the call of `main`."""
    modules = dict.fromkeys((*needed_modules(_TALK), *needed_modules(main.__module__)))
    packages = sorted({name.rpartition(".")[0] for name in modules} | {"rollout", _AGENTS})
    agent, rebuilt = f"sys.modules[{main.__module__!r}]", f"{type(options).__name__}(**{options._asdict()!r})"
    return "\n".join(
        [
            _START,
            *(f"load({name!r}, '')" for name in packages),
            *(f"load({name!r}, {_text(name)!r})" for name in modules),
            f"agent = {agent}",
            f"sys.modules[{_TALK!r}].run(agent.{main.__name__}, agent.{rebuilt})",
            "",
        ]
    )


@functools.cache
def needed_modules(name: str) -> tuple[str, ...]:
    """The modules that must be sent for the module `name` to work: those of the agents that it imports, each
    after those that it imports itself, and in the end the module `name`."""
    needed: dict[str, None] = {}
    for statement in ast.walk(ast.parse(_text(name))):
        for module in _imported_agents(statement):
            needed.update(dict.fromkeys(needed_modules(module)))
    return (*needed, name)


def _imported_agents(statement: ast.AST) -> Iterator[str]:
    """The modules of the agents that a statement imports, if it is an import."""
    imported: list[str] = []
    if isinstance(statement, ast.Import):
        imported = [alias.name for alias in statement.names]
    elif isinstance(statement, ast.ImportFrom) and statement.module is not None:
        members = [f"{statement.module}.{alias.name}" for alias in statement.names]
        imported = members if _is_agents_package(statement.module) else [statement.module]
    return (module for module in imported if module.startswith(f"{_AGENTS}."))


def _is_agents_package(name: str) -> bool:
    """Whether names imported from there are modules. The packages of the agents hold nothing else."""
    return f"{name}.".startswith(f"{_AGENTS}.") and hasattr(importlib.import_module(name), "__path__")


def _text(name: str) -> str:
    return inspect.getsource(importlib.import_module(name))


def _acting(path: str) -> str:
    return _ACT_FOR_OWNER.format(path=path) if path else "as=\n"
