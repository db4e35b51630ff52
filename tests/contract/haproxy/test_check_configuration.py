"""What `rollout check` says of the configuration of a running HAProxy, as a person or a program reads it."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support import prepared
from tests.support.command import write_inventory
from tests.support.started import started

pytestmark = pytest.mark.linux

BACKENDS = 500
SHORT = 4_000
"""Characters that a person reads."""
NODES = {"web1": "127.0.9.1", "web2": "127.0.9.2", "web3": "127.0.9.3"}
DEFAULTS = "defaults\n  mode http\n  timeout connect 1s\n  timeout client 9s\n  timeout server 9s\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix="cc-"))
    yield made
    shutil.rmtree(made)


def configuration(folder: Path, backends: Sequence[str], *own: str) -> str:
    """Backends of all nodes, each with lines of its `own`."""
    lines = [*own, *(f"server {name} {host}:1" for name, host in NODES.items())]
    sections = (f"backend {name}\n" + "".join(f"  {line}\n" for line in lines) for name in backends)
    return f"global\n  stats socket {folder}/socket level admin\n{DEFAULTS}{''.join(sections)}"


async def check(folder: Path, *more: str, work: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`rollout check` in the folder `work`, of the HAProxy whose socket is in `folder`."""
    sections = {
        "load_balancers": {"lb1": {"haproxy": f"unix://{folder}/socket"}},
        "nodes": {name: {"host": host, "ssh": "local"} for name, host in NODES.items()},
        "restart": {"command": "true"},
        "health": {"http": "http://{host}:1/_status", "timeout": "1s"},
    }
    inventory = write_inventory(folder / "rollout.yml", sections)
    words = ["check", *more, "--inventory", str(inventory)]
    return await asyncio.to_thread(prepared.run, words, folder=work)


async def test_what_many_backends_share_is_said_once(haproxy_binary: Path, folder: Path) -> None:
    """The output stays short, and tells the first place of each setting."""
    file = folder / "haproxy.cfg"
    file.write_text(configuration(folder, [f"shop{number}" for number in range(BACKENDS)], "retries 0"))
    async with started(folder, haproxy_binary, "-db", "-f", file, work=folder):
        shown = (await check(folder)).stdout
    assert len(shown) < SHORT, shown
    more = f"(in {BACKENDS} backends: shop0, shop1, shop2 and {BACKENDS - 3} more)"
    places = {
        8: "HAProxy loads no state file:",
        9: "`retries 0`:",
        10: "web1, web2 and 1 more without `check`:",
    }
    for line, said in places.items():
        (found,) = [row for row in shown.splitlines() if said in row]
        assert f"{file}:{line}: {said}" in found
        assert found.endswith(more)


async def test_a_program_gets_all_places(haproxy_binary: Path, folder: Path) -> None:
    """The JSON has the other places and servers of a finding beside its text."""
    file = folder / "haproxy.cfg"
    file.write_text(configuration(folder, ["a", "b", "c"]))
    async with started(folder, haproxy_binary, "-db", "-f", file, work=folder):
        found = json.loads((await check(folder, "--output", "json")).stdout)
    (reload,) = [each for each in found if "HAProxy loads no state file" in each["text"]]
    assert reload["also"] == [f"{file}:12", f"{file}:16"]
    assert "also" not in found[0]
    unchecked = [each for each in found if "a/web1 on lb1 is not checked by HAProxy" in each["text"]]
    assert [each["also"] for each in unchecked] == [["b/web1", "c/web1"]]


async def test_no_other_file_is_taken_for_it(haproxy_binary: Path, folder: Path, tmp_path: Path) -> None:
    """HAProxy was started in its folder with a relative path, and rollout runs in a folder that has a file of
    the same name."""
    (folder / "haproxy.cfg").write_text(configuration(folder, ["shop"], "retries 0"))
    (tmp_path / "haproxy.cfg").write_text(configuration(folder, ["shop"], "option persist"))
    async with started(folder, haproxy_binary, "-db", "-f", "haproxy.cfg", work=folder):
        shown = (await check(folder, work=tmp_path)).stdout
    assert f"{folder}/haproxy.cfg:9: `retries 0`" in shown
    assert "persist" not in shown


async def test_a_file_of_something_else_is_not_judged(haproxy_binary: Path, folder: Path) -> None:
    """The file was replaced by one that has none of the backends that run: its settings are not judged."""
    file = folder / "haproxy.cfg"
    file.write_text(configuration(folder, ["shop"]))
    async with started(folder, haproxy_binary, "-db", "-f", file, work=folder):
        file.write_text(configuration(folder, ["blog"], "retries 0"))
        shown = (await check(folder)).stdout
    assert f"HAProxy's configuration was not checked: {file} has no backend shop" in shown
    assert "retries" not in shown
