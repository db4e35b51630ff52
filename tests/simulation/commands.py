"""HAProxy's command line: a request in text, the answer in text."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation import replies
from tests.simulation.checking import Check
from tests.simulation.node import PORT
from tests.simulation.process import MAINT, BackendConfig, ServerConfig, SimProcess, SimServer

ERROR, NOTICE, INFO = 3, 5, 6
_STATES = {"ready": SimServer.ready, "drain": SimServer.drain, "maint": SimServer.maint}
_UNKNOWN = """Unknown command, but maybe one of the following ones is a better match:
  help [<command>]                        : list matching or all commands
  prompt                                  : toggle interactive mode with prompt
  quit                                    : disconnect
"""


class Refusal(Exception):
    def __init__(self, message: str, severity: int = ERROR) -> None:
        super().__init__(message)
        self.severity = severity


class CommandLine:
    """One connection to the runtime socket of a process; `closed` are the sessions that a command ended."""

    def __init__(
        self,
        process: SimProcess,
        *,
        stopping: bool = False,
        level: str = "admin",
        closing: Callable[[SimServer, int], None] = lambda server, sessions: None,
    ) -> None:
        self._process = process
        self._stopping = stopping
        self._level = level
        self._closing = closing
        self._with_severity = False

    def answer(self, request: str) -> str:
        """All that is answered before the connection is closed. Without a line end nothing runs."""
        line, end, _ = request.partition("\n")  # 3.0 runs the first line only
        if not end:
            return ""
        return "".join([self._one(command) for command in line.split(";")])

    def _one(self, command: str) -> str:
        words = command.split()
        try:
            return self._run(words)
        except Refusal as refusal:
            message = str(refusal)
            return f"[{refusal.severity}]: {message}\n\n" if self._with_severity else f"{message}\n\n"

    def _run(self, words: list[str]) -> str:
        match words:
            case ["set", "severity-output", "number" | "none" as wanted]:
                self._with_severity = wanted == "number"
                return "\n"
            case ["show", "info"]:
                return replies.info(self._process, stopping=self._stopping)
            case ["show", "cli", "level"]:
                raise Refusal(self._level, INFO)
            case ["show", "servers", "state", *rest]:
                return replies.servers_state(self._process, self._of_backend(rest))
            case ["show", "stat", number, "2" | "4" | "6" as kinds, server]:
                return replies.stat(
                    self._process,
                    self._numbered(int(number)),
                    of_backends=kinds != "4",
                    of_servers=kinds != "2",
                    number=int(server),
                )
            case ["set", "server", *rest]:
                self._set(rest)
                return "\n"
            case ["add", "server", path, address, *rest]:
                self._add(path, address, rest)
                raise Refusal("New server registered.", INFO)
            case ["enable", "health", path]:
                self._admin_only()
                self._server(path).checking.enable()
                return "\n"
            case ["del", "server", path]:
                self._delete(path)
                return self._with_severity * f"[{NOTICE}]: " + "Server deleted.\n"
            case ["shutdown", "sessions", "server", path]:
                self._admin_only()
                server = self._server(path)
                self._closing(server, server.cut())
                return "\n"
        raise Refusal(_UNKNOWN.rstrip("\n"), INFO)

    def _add(self, path: str, address: str, words: list[str]) -> None:
        self._admin_only()
        backend, _, name = path.partition("/")
        if backend not in self._process.backends:
            raise Refusal("No such backend.")
        if self._stopping or self._config(backend).static:
            raise Refusal("Backend must use a dynamic load balancing to support dynamic servers.")
        if path in self._process.servers or path in self._process.added:
            raise Refusal("Already exists a server with the same name in this backend.")
        options = dict(zip(words[1::2], words[2::2], strict=True))
        check = Check(
            inter=_seconds(options["inter"]),
            rise=int(options["rise"]),
            fall=int(options["fall"]),
            fastinter=_seconds(options["fastinter"]),
            downinter=_seconds(options["downinter"]),
            timeout=1.0,
        )
        nodes = [server.node for server in self._process.servers.values()]
        node = next(node for node in nodes if address == f"{node.address}:{PORT}")
        weight = int(options["weight"])
        config = ServerConfig(name, node, weight=weight, check=check, disabled=True)
        self._process.add(backend, config, int(options["id"]))

    def _delete(self, path: str) -> None:
        self._admin_only()
        server = self._server(path)
        if path not in self._process.added:
            raise Refusal("Only servers added at runtime via <add server> CLI cmd can be deleted.")
        if not server.admin & MAINT:
            raise Refusal("Only servers in maintenance mode can be deleted.")
        self._process.delete(path)

    def _config(self, backend: str) -> BackendConfig:
        return next(config for config in self._process.backends_served if config.name == backend)

    def _set(self, words: list[str]) -> None:
        self._admin_only()
        server = self._server(words[0] if words else "")
        if self._stopping:
            raise Refusal("Proxy is disabled.")
        match words[1:]:
            case ["state", word] if word in _STATES:
                _STATES[word](server)
            case ["state", *_]:
                raise Refusal("'set server <srv> state' expects 'ready', 'drain' and 'maint'.")
            case ["health", *_] if server.tracked is not None:
                raise Refusal("cannot change health on a tracking server.")
            case ["health", "up" | "down" | "stopping" as word]:
                server.health(word)
            case ["health", *_]:
                raise Refusal("'set server <srv> health' expects 'up', 'stopping', or 'down'.")
            case ["weight", text]:
                server.set_weight(_weight(text, server.config.weight))
            case _:
                raise Refusal(
                    "usage: set server <backend>/<server> addr | agent | agent-addr | agent-port | "
                    "agent-send | check-addr | check-port | fqdn | health | ssl | state | weight"
                )

    def _admin_only(self) -> None:
        if self._level != "admin":
            raise Refusal("Permission denied")

    def _server(self, path: str) -> SimServer:
        backend, slash, _ = path.partition("/")
        if not slash:
            raise Refusal("Require 'backend/server'.")
        if backend not in self._process.backends:
            raise Refusal("No such backend.")
        server = self._process.servers.get(path) or self._process.added.get(path)
        if server is None:
            raise Refusal("No such server.")
        return server

    def _of_backend(self, names: list[str]) -> list[SimServer]:
        if not names:
            return [server for name in self._process.backends for server in self._process.of_backend(name)]
        if names[0] not in self._process.backends:
            raise Refusal("Can't find backend.")
        return self._process.of_backend(names[0])

    def _numbered(self, number: int) -> list[str]:
        """-1 is all backends; a number that none has is none, and no error."""
        return [name for name, own in self._process.numbers.items() if number in (-1, own)]


def _weight(text: str, configured: int) -> int:
    """Shares truncate: on the usual weight of 1, 99% is 0."""
    number = text.removesuffix("%")
    if not number.isdigit():
        raise Refusal("Empty weight string empty or preceded by garbage")
    if text.endswith("%"):
        return configured * int(number) // 100
    if int(number) > 256:
        raise Refusal("Absolute weight can only be between 0 and 256 inclusive.")
    return int(number)


def _seconds(time: str) -> float:
    return float(time[:-2]) / 1000 if time.endswith("ms") else float(time[:-1])
