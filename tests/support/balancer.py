"""A real HAProxy with a generated configuration, started, reloaded and stopped by a test."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rollout.adapters.haproxy import HAProxy
from rollout.adapters.haproxy.transport import UnixTransport
from rollout.domain import UnixSocket
from tests.support.loopback import own_address
from tests.support.until import until, until_seen

TCP_SOCKET_PORT = 9999
FIRST_PORT = 8001
CONTAINED = ("unshare", "--pid", "--fork", "--kill-child")
"""Before a command: it runs in process numbers of its own, as in a container. Needs root."""

Backends = Mapping[str, Sequence[str]]
"""The lines of each backend."""


class Balancer:
    """Every backend has a frontend of the same name, on a port of its own.

    Its folder is a short one beside pytest's, since the path of a UNIX socket has little room.
    """

    def __init__(
        self,
        binary: Path,
        name: str,
        backends: Backends,
        *,
        settings: Sequence[str] = (),
        global_settings: Sequence[str] = (),
        ring: Sequence[str] | None = None,
        within: Sequence[str] = (),
        with_master: bool = False,
        state_file: Path | None = None,
    ) -> None:
        self.name = name
        self.host = own_address()
        self.backends = dict(backends)
        self.settings = tuple(settings)
        """Further lines of `defaults`."""
        self.global_settings = tuple(global_settings)
        self.ring = ring
        """Lines of a ring `requests`, to which `settings` may send the log; `None` for no ring."""
        self.folder = Path(tempfile.mkdtemp(prefix="lb-"))
        self.state_file = state_file or self.folder / "state"
        """What a new process takes its servers' states from."""
        self.pid = 0
        self._command = [*within, binary]
        self._with_master = with_master
        self._processes: list[subprocess.Popen[bytes]] = []

    def socket(self, level: str = "admin") -> UnixSocket:
        return UnixSocket(f"{self.folder}/{level}.sock")

    def haproxy(self, level: str = "admin") -> HAProxy:
        master = UnixTransport(self.name, self.socket("master")) if self._with_master else None
        return HAProxy(self.name, UnixTransport(self.name, self.socket(level)), master)

    def port(self, backend: str) -> int:
        """Where its frontend listens, on `host`."""
        return FIRST_PORT + list(self.backends).index(backend)

    async def start(self) -> None:
        await self._run()

    async def reload(self, *, keep_state: bool = False, as_it_is: bool = False) -> None:
        """As `systemctl reload`: a new process, and the old one finishes what runs.

        It forgets what was set by the socket, unless `keep_state`; or takes the state file `as_it_is`.
        """
        if not as_it_is:
            self.state_file.write_text(await self.ask("show servers state") if keep_state else "")
        if self._with_master:
            self._processes[-1].send_signal(signal.SIGUSR2)
            await self._answers(self._processes[-1])
        else:
            await self._run("-sf", str(self.pid))

    async def restart(self) -> None:
        """End it, and start it anew: another process, which may have the same pid."""
        started = (await self.haproxy().read()).started
        self.stop()
        await until(lambda: time.time() >= started + 1, "the next second")
        await self._run()

    def stop(self) -> None:
        """End it, and what an earlier reload left, workers included."""
        for process in self._processes:
            if self._with_master and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
        for process in self._processes:
            process.wait()
        self._processes.clear()
        self.pid = 0

    def old_processes(self) -> int:
        """Processes of before a reload that still finish something."""
        return sum(process.pid != self.pid and process.poll() is None for process in self._processes)

    async def pause(self) -> None:
        """Answer nothing until `go_on`."""
        self._processes[-1].send_signal(signal.SIGSTOP)
        await until(self._stopped, "all threads to stop")

    def go_on(self) -> None:
        self._processes[-1].send_signal(signal.SIGCONT)

    def _stopped(self) -> bool:
        return all(") T " in thread.read_text() for thread in Path(f"/proc/{self.pid}/task").glob("*/stat"))

    async def ask(self, command: str, of: str = "admin") -> str:
        """What HAProxy answers, as an operator at the socket would see it; nothing while it is not there."""
        try:
            reader, writer = await asyncio.open_unix_connection(self.socket(of).path)
        except OSError:
            return ""
        try:
            writer.write(f"{command}\n".encode())
            writer.write_eof()
            return (await reader.read()).decode()
        except OSError:
            return ""
        finally:
            writer.close()

    async def _run(self, *arguments: str) -> None:
        config = self.folder / "haproxy.cfg"
        config.write_text(self._config())
        mode = ["-W", "-S", f"{self.socket('master').path},mode,600"] if self._with_master else ["-db"]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(  # noqa: ASYNC220 - it does not wait
                [*self._command, *mode, "-f", config, *arguments],
                stdout=log,
                stderr=log,
                start_new_session=self._with_master,
            )
        self._processes.append(process)
        await self._answers(process)

    async def _answers(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for a new process: this one, or a worker that it started."""
        before = self.pid

        async def new() -> bool:
            assert process.poll() is None, (self.folder / "log").read_text()
            pid = re.search(r"^Pid: (\d+)$", await self.ask("show info"), re.MULTILINE)
            self.pid = int(pid[1]) if pid else before
            if self._with_master and not await self.ask("show proc", of="master"):
                return False  # it would not hear the next reload
            return self.pid != before

        await until_seen(new, "HAProxy")

    def _config(self) -> str:
        lines = ["global", "  nbthread 2", *(f"  {line}" for line in self.global_settings)]
        lines += [
            f"  stats socket {self.socket(level).path} mode 600 level {level}"
            for level in ("admin", "operator", "user")
        ]
        lines += [
            f"  stats socket ipv4@{self.host}:{TCP_SOCKET_PORT} level admin",
            f"  server-state-file {self.state_file}",
            *(["ring requests", *(f"  {line}" for line in self.ring)] if self.ring is not None else []),
            "defaults",
            "  mode http",
            "  load-server-state-from-file global",
            "  timeout connect 2s",
            "  timeout client 20s",
            "  timeout server 20s",
            "  timeout check 5s",
            "  retries 0",
            *(f"  {line}" for line in self.settings),
        ]
        for name, own in self.backends.items():
            lines += [
                f"frontend {name}",
                f"  bind {self.host}:{self.port(name)}",
                f"  default_backend {name}",
            ]
            lines += [f"backend {name}", *(f"  {line}" for line in own)]
        return "\n".join(lines) + "\n"


@asynccontextmanager
async def balancer(
    binary: Path, backends: Backends, *, name: str = "lb1", **more: Any
) -> AsyncIterator[Balancer]:
    """A running HAProxy; stopped at the end, whatever happens. `more` is as `Balancer` takes it."""
    running = Balancer(binary, name, backends, **more)
    try:
        await running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(running.folder)
