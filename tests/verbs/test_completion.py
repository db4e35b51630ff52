"""What a shell completes: bash, zsh and fish themselves are asked."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_support import Shell

from tests.support.needs import missing
from tests.support.until import wait

BASH = r"""
eval "$(rollout completion bash)"
COMP_LINE="$1" COMP_POINT=${#1}
_python_argcomplete rollout
printf '%s\n' "${COMPREPLY[@]}"
"""
FISH = r"""
rollout completion fish | source
complete -C "$argv[1]"
"""


@pytest.fixture
def typing(shell: Shell) -> Shell:
    """A folder with an inventory, and `rollout` in the path."""
    program = shell.folder / "bin" / "rollout"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m rollout "$@"\n')
    program.chmod(0o755)
    shell.environment["PATH"] = f"{program.parent}:{os.environ['PATH']}"
    shell.write().rename(shell.folder / "prod.yml")
    return shell


def offered(shell: Shell, which: str, line: str) -> set[str]:
    """What a shell offers where a line ends."""
    if shutil.which(which) is None:
        missing(f"needs {which}")
    script = {"bash": ["bash", "-c", BASH, "bash"], "fish": ["fish", "--no-config", "-c", FISH]}[which]
    ran = subprocess.run(
        [*script, line], cwd=shell.folder, env=shell.environment, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    return {found.partition("\t")[0].strip() for found in ran.stdout.splitlines()}


@pytest.mark.parametrize("which", ["bash", "fish"])
def test_all_that_may_come_next_is_offered(typing: Shell, which: str) -> None:
    """Verbs, a verb's own options, choices, inventories, nodes and one more node."""
    assert offered(typing, which, "rollout res") == {"resume", "restore"}
    options = offered(typing, which, "rollout rollback --")
    assert {"--inventory", "--limit", "--to", "--wait"} <= options
    assert "--release" not in options
    assert offered(typing, which, "rollout status --output ") == {"text", "json"}
    assert offered(typing, which, "rollout deploy -i p") == {"prod.yml"}
    assert offered(typing, which, "rollout deploy -i prod.yml --limit ") == {"web1", "web2"}
    assert offered(typing, which, "rollout deploy -i prod.yml --limit web1,") == {"web1,web2"}
    assert {"web1", "web2"} <= offered(typing, which, "rollout drain -i prod.yml w")
    assert {"web1", "web2"} <= offered(typing, which, "rollout why -i prod.yml ")
    assert {"up", "down", "traffic", "demo"} <= offered(typing, which, "rollout lab ")


def test_releases_and_deployments_of_the_history_are_offered(typing: Shell) -> None:
    """As this machine knows them, without asking another one."""
    for release in ("1.4.1", "1.4.2"):
        assert typing.run("deploy", "-i", "prod.yml", "--release", release).code == 0
    assert offered(typing, "bash", "rollout deploy -i prod.yml --release ") == {"1.4.1", "1.4.2"}
    assert offered(typing, "bash", "rollout rollback -i prod.yml --to 1.4.1") == {"1.4.1"}
    assert offered(typing, "bash", "rollout history -i prod.yml --printed ") == {"1", "2"}
    assert {"1", "2"} <= offered(typing, "bash", "rollout show -i prod.yml ")


def test_zsh_completes_as_well(typing: Shell) -> None:
    """In an interactive shell: Tab after a few letters gives the verb, and a node."""
    if shutil.which("zsh") is None:
        missing("needs zsh")
    (typing.folder / ".zshrc").write_text(
        'autoload -U compinit; compinit -u -D\neval "$(rollout completion zsh)"\nPS1="%% "\n'
    )
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    written = ""

    def shown(text: str) -> bool:
        nonlocal written
        with contextlib.suppress(BlockingIOError):
            written += os.read(ours, 65536).decode(errors="replace")
        return text in written

    environment = {**typing.environment, "ZDOTDIR": str(typing.folder), "TERM": "dumb", "COLUMNS": "200"}
    with subprocess.Popen(
        ["zsh", "-i"], cwd=typing.folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as zsh:
        try:
            wait(lambda: shown("% "), "the prompt")
            os.write(ours, b"rollout depl\t")
            wait(lambda: shown("rollout deploy "), "the verb")
            os.write(ours, b"-i prod.yml --limit we\t")
            wait(lambda: shown("--limit web"), "the nodes")
            os.write(ours, b"2\t")
            wait(lambda: shown("web2 "), "the node")
        finally:
            zsh.kill()
    os.close(ours)
    os.close(theirs)


def test_the_manual_page_has_all(typing: Shell, tmp_path: Path) -> None:
    """Each verb, each option that a help shows, the examples and the exit codes; and it is well formed."""
    page = tmp_path / "rollout.1"
    page.write_text(typing.run("man").out)
    if shutil.which("mandoc") is None:
        missing("needs mandoc")
    found = subprocess.run(["mandoc", "-T", "lint", "-W", "error", page], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")
    read = subprocess.run(["mandoc", "-T", "ascii", page], capture_output=True, text=True).stdout
    text = " ".join(line.replace("_\b", "") for line in read.split())
    text = "".join(c for at, c in enumerate(text) if text[at + 1 : at + 2] != "\b" and c != "\b")
    for part in ("rollout rollback", "--include-out-of-rotation", "130", "NO_COLOR", "rollout lab traffic"):
        assert part in text
    assert "--include-out-of-rotation also deploy nodes that somebody drained" in text
