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

from rollout.agents.common import acting

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
_CHOOSE = """\
set --
[ "$(id -u)" = 0 ] || set -- $({choose})
"""
_CHOSEN = '${1:+sudo -n -u "$1"} python3'


class Options(Protocol):
    """The methods that every NamedTuple has. Its values are Python literals: text, numbers, None, and
    lists of these."""

    def _asdict(self) -> dict[str, Any]: ...


AgentOptions = TypeVar("AgentOptions", bound=Options)


def file_owner(path: str) -> acting.Options:
    """The owner of a file, for `acting_for`."""
    return acting.Options(path, acting.FILE)


def process_owner(pidfile: str) -> acting.Options:
    """The owner of the process that a pidfile names, for `acting_for`."""
    return acting.Options(pidfile, acting.PIDFILE)


def fifo_owner(path: str) -> acting.Options:
    """The owner of a FIFO that a uWSGI reads, or root where that has started it, for `acting_for`."""
    return acting.Options(path, acting.FIFO)


class AgentInput(NamedTuple):
    """A shell line that runs an agent, and the program that must come first on its standard input. The
    agent reads whatever comes after the program."""

    line: str
    program: bytes


class _Acting(NamedTuple):
    """The way in which an agent acts for somebody: shell lines that come `before`, the words that begin its
    Python, the `argument` of its program, and the `modules` that it needs for that."""

    before: str = ""
    python: str = "python3"
    argument: str = ""
    modules: tuple[str, ...] = ()


_AS_IT_IS = _Acting()


def on_node(
    main: Callable[[AgentOptions], None], options: AgentOptions, *, acting_for: acting.Options | None = None
) -> str:
    """A shell line that runs an agent in the node's own python3, shut off from its environment.

    The user who logs in need not be the one who runs the application: the agent acts for the owner
    `acting_for` if `sudo -n` allows that, or to root, who then becomes the owner. Otherwise it runs as the
    login user, and says what it is not permitted to do. root stays root."""
    how = _acting(acting_for)
    return how.before + _here(f"{how.python} -I", _program(main, options, how), how.argument)


def in_application(python: str, main: Callable[[AgentOptions], None], options: AgentOptions) -> str:
    """A shell line that runs an agent in the application's interpreter, so that it can import the
    application.

    The interpreter is not shut off from its environment, which may say where the application is.
    """
    return _here(shlex.quote(python), _program(main, options, _AS_IT_IS))


def on_node_with_input(
    main: Callable[[AgentOptions], None], options: AgentOptions, *, acting_for: acting.Options | None = None
) -> AgentInput:
    """A shell line as from `on_node`, for an agent that reads its standard input."""
    how = _acting(acting_for)
    program = _program(main, options, how).encode()
    start = f"import sys; exec(sys.stdin.buffer.read({len(program)}))"
    return AgentInput(f"{how.before}{how.python} -I -c {shlex.quote(start)} {how.argument}\n", program)


def _here(python: str, program: str, argument: str = "") -> str:
    return f"{python} - {argument}<<'{_END}'\n{program}{_END}\n"


def _acting(whom: acting.Options | None) -> _Acting:
    if whom is None:
        return _AS_IT_IS
    choose = _here("python3 -I", _program(acting.main, whom, _AS_IT_IS))
    return _Acting(_CHOOSE.format(choose=choose), _CHOSEN, "$2 ", (acting.__name__,))


def _program(main: Callable[[AgentOptions], None], options: AgentOptions, how: _Acting) -> str:
    """The text of all modules, each loaded after those that it imports, and then the call of `main`. root
    first becomes the user whom the argument names, if any."""
    needing = (_TALK, *how.modules, main.__module__)
    modules = dict.fromkeys(name for one in needing for name in needed_modules(one))
    packages = sorted({package for name in modules for package in _packages(name)})
    agent, rebuilt = f"sys.modules[{main.__module__!r}]", f"{type(options).__name__}(**{options._asdict()!r})"
    return "\n".join(
        [
            _START,
            *(f"load({name!r}, '')" for name in packages),
            *(f"load({name!r}, {_text(name)!r})" for name in modules),
            f"agent = {agent}",
            *(f"for user in sys.argv[1:]: sys.modules[{name!r}].become(user)" for name in how.modules),
            f"sys.modules[{_TALK!r}].run(agent.{main.__name__}, agent.{rebuilt})",
            "",
        ]
    )


def _packages(name: str) -> Iterator[str]:
    """The packages that a module lies in."""
    while name := name.rpartition(".")[0]:
        yield name


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
