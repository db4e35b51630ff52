"""A verb brings along only the libraries that it needs: the others cost time whenever it is used."""

from __future__ import annotations

import json

import pytest
from cli_support import Shell

from rollout.cli.main import VERBS

PROGRAM = """
import contextlib, io, json, sys
from rollout.cli.main import main
with contextlib.redirect_stdout(io.StringIO()):
    try:
        code = main(sys.argv[1:])
    except SystemExit as end:
        code = end.code
print(json.dumps({"code": code, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""
SSH = {"fabric", "invoke", "paramiko", "cryptography"}
HTTP = {"httpx", "httpcore", "anyio"}
SCREEN = {"rich"}
INVENTORY = {"pydantic", "yaml"}


def imported(shell: Shell, *words: str, code: int = 0) -> set[str]:
    """The top modules that are there after a command, which must have ended with `code`."""
    ran = shell.run_python(PROGRAM, *words)
    found = json.loads(ran.out)
    assert found["code"] == code, ran.error
    return set(found["modules"])


@pytest.mark.parametrize("line", ["--help", "--version", "help", "init new.yml", "man"])
def test_what_needs_no_library_imports_none(shell: Shell, line: str) -> None:
    """The help, the version and a new inventory are there at once; not even asyncio is loaded for them."""
    heavy = SSH | HTTP | SCREEN | INVENTORY | {"asyncio", "ssl", "sqlite3"}
    assert imported(shell, *line.split()) & heavy == set()


@pytest.mark.parametrize("line", ["history", "schema"])
def test_what_asks_nobody_imports_no_network(shell: Shell, line: str) -> None:
    """The journal and the schema are on this machine."""
    shell.write()
    assert imported(shell, line) & (SSH | HTTP | SCREEN) == set()


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_needs_no_library(shell: Shell, verb: str) -> None:
    """What it is for can be asked at once: nothing that carries it out is imported."""
    assert (
        imported(shell, verb, "--help") & (SSH | HTTP | SCREEN | INVENTORY | {"asyncio", "sqlite3"}) == set()
    )


@pytest.mark.parametrize("verb", ["status", "deploy", "drain", "ready"])
def test_without_ssh_there_is_no_fabric(shell: Shell, verb: str) -> None:
    """On this machine alone, behind no load balancer, nothing is reached by SSH."""
    shell.write()
    words = [verb, "web1"] if verb in ("drain", "ready") else [verb]
    assert imported(shell, *words) & SSH == set()


def test_a_load_balancers_socket_on_this_machine_needs_no_fabric(shell: Shell) -> None:
    """`unix://` and `ssh: local` reach all there is, even where nobody answers."""
    shell.write(drain=None, load_balancers={"lb1": {"haproxy": f"unix://{shell.folder}/nobody.sock"}})
    assert imported(shell, "status") & SSH == set()
    assert imported(shell, "plan", code=3) & SSH == set()


def test_http_is_for_those_who_ask_a_page(shell: Shell) -> None:
    """Neither `plan` nor `status` does where the inventory names none."""
    shell.write()
    assert imported(shell, "plan") & HTTP == set()
    assert imported(shell, "status") & HTTP == set()
    shell.write(health={"http": "http://127.0.0.1:1/"})
    assert imported(shell, "plan") & HTTP == {*HTTP}
    assert imported(shell, "status") & HTTP == {*HTTP}
