"""What `rollout check` says of a configuration is what HAProxy does with it."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rollout.domain import OperationalState, ServerState
from rollout.haproxy_config.configuration import read
from rollout.haproxy_config.reload_rules import heeds_init_state
from rollout.haproxy_config.state_file import state_file
from tests.support.loopback import own_address
from tests.support.started import at, started
from tests.support.until import until_seen
from tests.support.web import web_app

pytestmark = pytest.mark.every_haproxy

HEAD = "global\n  stats socket {folder}/socket level admin\n{own}"
DEFAULTS = "defaults\n  mode http\n  timeout connect 1s\n  timeout client 9s\n  timeout server 9s\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix="ce-"))
    yield made
    shutil.rmtree(made)


def command(binary: Path, folder: Path, text: str) -> list[str | Path]:
    (folder / "haproxy.cfg").write_text(text)
    return [binary, "-db", "-f", folder / "haproxy.cfg"]


def printed(*words: str | Path) -> str:
    """What a command that ends by itself prints."""
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


async def states(folder: Path) -> Mapping[str, ServerState]:
    return {state.server.name: state for state in (await at(folder).read()).servers}


@pytest.mark.parametrize(
    ("own", "loads", "loaded", "followed"),
    [
        ("server-state-file {folder}/states", "global", True, True),
        ("server-state-base {folder}\n  server-state-file states", "global", True, True),
        ("server-state-file states", "global", True, False),
        ("", "global", False, False),
        ("server-state-base {folder}", "global", False, False),
        ("server-state-file {folder}/states", "none", False, False),
        ("server-state-file {folder}/missing", "global", False, True),
        ("server-state-base {folder}", "local", True, False),
        ("", "local", True, False),
    ],
)
async def test_which_state_file_is_loaded(
    haproxy_binary: Path, folder: Path, own: str, loads: str, loaded: bool, followed: bool
) -> None:
    """A backend that is told to load the global file loads nothing where there is none; a `local` one is
    loaded, but rollout does not write it."""
    servers = "  server web1 127.0.0.1:1\n  server web2 127.0.0.1:1\n"
    head = HEAD.format(folder=folder, own=f"  {own.format(folder=folder)}\n" if own else "")
    text = f"{head}{DEFAULTS}backend shop\n  load-server-state-from-file {loads}\n{servers}"
    async with started(folder, *command(haproxy_binary, folder, text), work=folder):
        await at(folder).send(["set server shop/web1 state maint"])
        for name in ("states", "shop"):
            (folder / name).write_text(await at(folder).server_states())
    async with started(folder, *command(haproxy_binary, folder, text), work=folder):
        assert (await states(folder))["web1"].admin.in_maintenance is loaded
    assert (state_file(text) is not None) is followed


@pytest.mark.parametrize("word", ["down", "fully-down"])
async def test_init_state(haproxy_binary: Path, folder: Path, word: str) -> None:
    """Where the version heeds it, no server is UP before its check has passed, and one without a check is
    never UP; older versions know no such keyword."""
    async with web_app("web") as app:
        servers = "".join(
            f"  server {name} {app.address} {check} init-state {word}\n"
            for name, check in {"web1": "check inter 1s", "web2": "check inter 1s", "bare": ""}.items()
        )
        own = "backend shop\n  option httpchk GET /_check\n"
        text = f"{HEAD.format(folder=folder, own='')}{DEFAULTS}{own}{servers}"
        app.pages["/_check"].status = 503
        run = command(haproxy_binary, folder, text)
        version = re.search(r"version ([0-9.]+)", await asyncio.to_thread(printed, haproxy_binary, "-v"))
        assert version
        if not heeds_init_state(version[1]):
            assert "unknown keyword 'init-state'" in await asyncio.to_thread(printed, *run, "-c")
            return
        async with started(folder, *run, work=folder):
            shown = await states(folder)
            assert {state.operational for state in shown.values()} == {OperationalState.STOPPED}
            app.pages["/_check"].status = 200

            async def up() -> bool:
                shown = await states(folder)
                return shown["web1"].running and shown["web2"].running

            await until_seen(up, "the first checks")
            await at(folder).send([f"set server shop/bare state {state}" for state in ("maint", "ready")])
            assert not (await states(folder))["bare"].running


async def test_a_new_process_needs_one_check(haproxy_binary: Path, folder: Path) -> None:
    """It takes every server for UP; a single failed check takes one out again, whatever `fall` says."""
    async with web_app("web") as app:
        options = "check inter 1s fall 20"
        servers = f"  server web1 {app.address} {options}\n  server web2 127.0.0.1:1 {options}\n"
        own = "  option httpchk GET /_check\n  http-check disable-on-404\n"
        app.pages["/_check"].status = 404
        text = f"{HEAD.format(folder=folder, own='')}{DEFAULTS}backend shop\n{own}{servers}"
        async with started(folder, *command(haproxy_binary, folder, text), work=folder):
            out = {"web1": OperationalState.STOPPING, "web2": OperationalState.STOPPED}

            async def both_out() -> bool:
                return {name: state.operational for name, state in (await states(folder)).items()} == out

            await until_seen(both_out, "the first checks", within=3.0)


@pytest.mark.parametrize(("own", "spared"), [("", False), ("option redispatch", True)])
async def test_redispatch(haproxy_binary: Path, folder: Path, own: str, spared: bool) -> None:
    """A request for a server that refuses it goes to another one with `option redispatch`, and is lost
    without."""
    host = own_address()
    async with web_app("web") as app:
        front = f"frontend www\n  bind {host}:8001\n  default_backend shop\n"
        servers = f"  server web1 {app.address}\n  server web2 127.0.0.1:1\n"
        back = f"backend shop\n  retries 1\n  balance static-rr\n  {own}\n{servers}"
        text = f"{HEAD.format(folder=folder, own='')}{DEFAULTS}{front}{back}"
        async with started(folder, *command(haproxy_binary, folder, text), work=folder):
            answers = [await first_line(host) for _ in range(2)]
            assert (answers == [b"HTTP/1.1 200"] * 2) is spared
            assert spared or b"HTTP/1.1 503" in answers


async def first_line(host: str) -> bytes:
    """The first words of the answer to a request."""
    reader, writer = await asyncio.open_connection(host, 8001)
    writer.write(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
    line = await reader.readline()
    writer.close()
    return line[:12]


async def test_what_is_read_as_haproxy_reads_it(haproxy_binary: Path, folder: Path) -> None:
    """The latest `defaults` count, named or not; `.if` blocks for other versions are left out."""
    times = "  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n"
    text = f"""{HEAD.format(folder=folder, own="")}
defaults
  mode http
{times}
defaults named
  mode tcp
{times}
backend of_the_latest
  server s 127.0.0.1:1
backend of_named from named
  server s 127.0.0.1:1
.if version_atleast(2.8)
backend new
  server s 127.0.0.1:1
.elif !version_atleast(2.8) && 1
backend old
  server "s" 127.0.0.1:1 # not\\ "new"
.else
backend never
  server s 127.0.0.1:1
.endif
"""
    async with started(folder, *command(haproxy_binary, folder, text), work=folder) as (_, reading):
        ours = {
            section.name: mode.words[1]
            for section in read(text, reading.version)
            if section.kind == "backend" and (mode := section.last("mode"))
        }
        assert set(ours) == {state.server.backend for state in reading.servers}
        assert set(ours.values()) == {"tcp"}
        assert all(state.server.name == "s" for state in reading.servers)
        shown = await modes(folder)
        assert {name: shown[name] for name in ours} == ours


async def modes(folder: Path) -> dict[str, str]:
    """The mode of each backend, as HAProxy shows it."""
    reader, writer = await asyncio.open_unix_connection(f"{folder}/socket")
    writer.write(b"show stat\n")
    rows = [line.split(",") for line in (await reader.read()).decode().splitlines()]
    writer.close()
    mode = rows[0].index("mode")
    return {row[0]: row[mode] for row in rows if len(row) > mode and row[1] == "BACKEND"}
