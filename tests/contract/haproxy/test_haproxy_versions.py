"""What differs between HAProxy's versions (docs/haproxy-versions.md), and what is the same in all."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from rollout.adapters.haproxy.replies import SEVERITY
from tests.support.balancer import Balancer, balancer

pytestmark = pytest.mark.every_haproxy

PLAIN = {"shop": ("server web1 127.0.0.1:1 check inter 1h", "server web2 127.0.0.1:2 track shop/web1")}
READ = {
    *("pxname", "svname", "iid", "type", "mode", "status", "bck", "check_status", "tracked", "scur", "qcur"),
    *("stot", "used_conn_cur", "srv_icur", "rtime", "econ", "wretr", "wredis", "cli_abrt", "srv_abrt"),
    *("hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other"),
}
"""The columns of `show stat` that rollout reads."""


def version(binary: Path) -> tuple[int, int]:
    shown = subprocess.run([binary, "-v"], capture_output=True, text=True).stdout.split()[2]
    major, minor = shown.split(".")[:2]
    return int(major), int(minor)


async def raw(lb: Balancer, request: str, *, within: float = 20.0) -> str:
    """What is answered to these characters; `broken` or `silent` where nothing is."""
    reader, writer = await asyncio.open_unix_connection(lb.socket().path)
    try:
        async with asyncio.timeout(within):
            writer.write(request.encode())
            writer.write_eof()
            return (await reader.read()).decode()
    except TimeoutError:
        return "silent"
    except OSError:
        return "broken"
    finally:
        writer.close()


async def test_a_line_longer_than_the_buffer(haproxy_binary: Path) -> None:
    """Before 3.2 a line of any length is carried out; 3.2 takes none that is longer than `tune.bufsize`."""
    settings = ["tune.bufsize 4096"]
    async with balancer(haproxy_binary, PLAIN, global_settings=settings) as lb:
        commands = ["set server shop/web1 weight 2"] * 200
        answer = await raw(lb, f"{';'.join(commands)}\n")
        weight = (await lb.haproxy().read()).servers[0].weight
    if version(haproxy_binary) < (3, 2):
        assert (answer, weight) == ("\n" * 200, 2)
    else:
        assert answer == "broken" or answer.startswith("The command line is too big for the buffer size.")
        assert weight == 1


async def test_a_command_longer_than_the_buffer(haproxy_binary: Path) -> None:
    """No version carries it out. Some say so if the connection does not break first; 2.6 may never answer."""
    async with balancer(haproxy_binary, PLAIN) as lb:
        answer = await raw(lb, f"set server shop/web1 weight 2{' ' * 17_000}\n", within=1.0)
        assert answer in ("", "broken", "silent") or " is too big for the buffer size." in answer
        assert (await lb.haproxy().read()).servers[0].weight == 1


async def test_two_lines_at_once(haproxy_binary: Path) -> None:
    """2.6 and 2.8 carry out both lines of a connection, 3.0 and 3.2 the first alone."""
    async with balancer(haproxy_binary, PLAIN) as lb:
        answers = (await raw(lb, "show cli level\nshow cli level\n")).split()
    assert answers == ["admin"] * (2 if version(haproxy_binary) < (3, 0) else 1)


async def test_an_empty_line(haproxy_binary: Path) -> None:
    """2.6 prints its help; later versions answer with an empty line."""
    async with balancer(haproxy_binary, PLAIN) as lb:
        answer = await raw(lb, "\n")
    assert answer.startswith("Unknown command." if version(haproxy_binary) < (2, 8) else "\n")


async def test_a_command_without_its_line_end(haproxy_binary: Path) -> None:
    """Nothing runs, and nothing is said."""
    async with balancer(haproxy_binary, PLAIN) as lb:
        assert await raw(lb, "set server shop/web1 weight 2") == ""
        assert (await lb.haproxy().read()).servers[0].weight == 1


async def test_errors_are_known_by_their_severity(haproxy_binary: Path) -> None:
    """Success is an empty line for each command, an error has a number before it, and the next one runs."""
    async with balancer(haproxy_binary, PLAIN) as lb:
        fine, wrong = "set server shop/web1 weight 2", "set server shop/nope state maint"
        assert await raw(lb, f"{SEVERITY};{fine};{wrong};{fine}\n") == "\n\n[3]: No such server.\n\n\n"
        unknown = await raw(lb, f"{SEVERITY};frobnicate\n")
        assert unknown.startswith("\n[6]: Unknown command")
        tracking = await raw(lb, f"{SEVERITY};set server shop/web2 health up\n")
        assert tracking == "\n[3]: cannot change health on a tracking server.\n\n"


async def test_the_columns_that_are_read(haproxy_binary: Path) -> None:
    """`show stat` has 128 columns in 2.6 and over 200 in 3.0; all that rollout reads are in each version."""
    async with balancer(haproxy_binary, PLAIN) as lb:
        header = (await raw(lb, "show stat\n")).partition("\n")[0].removeprefix("# ").rstrip(",").split(",")
    assert set(header) >= READ
    assert (len(header) > 200) == (version(haproxy_binary) >= (3, 0))


async def test_a_buffer_that_is_too_small_for_the_statistics(haproxy_binary: Path) -> None:
    """With `tune.bufsize 2048`, 3.0 and 3.2 cannot show their statistics any more."""
    async with balancer(haproxy_binary, PLAIN, global_settings=["tune.bufsize 2048"]) as lb:
        shown = await raw(lb, "show stat\n")
    header, *rows = shown.strip().split("\n")
    whole = {line.count(",") for line in (header, *rows)} == {header.count(",")} and "shop,web1," in shown
    assert whole == (version(haproxy_binary) < (3, 0))


def test_init_state(haproxy_binary: Path, tmp_path: Path) -> None:
    """2.6, 2.8 and 3.0 refuse a configuration with `init-state`; 3.2 takes it."""
    config = tmp_path / "haproxy.cfg"
    config.write_text(
        "defaults\n  mode http\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n"
        f"frontend f\n  bind unix@{tmp_path}/s\n  default_backend b\n"
        "backend b\n  server web1 127.0.0.1:1 check init-state down\n"
    )
    checked = subprocess.run([haproxy_binary, "-c", "-f", config], capture_output=True)
    assert (checked.returncode == 0) == (version(haproxy_binary) >= (3, 1))
