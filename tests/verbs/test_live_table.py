"""The live tables on a real terminal, as an emulator of one shows them."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest
from cli_support import Shell
from test_promote import deploying

from tests.support.terminal import Terminal, on_terminal
from tests.support.until import wait

CLEARED = "\x1b[2J"
PAUSING = {"canary": 1, "pause": "after-canary"}


def terminal(
    shell: Shell, *words: str, columns: int = 100, lines: int = 30
) -> AbstractContextManager[Terminal]:
    command = [sys.executable, "-m", "rollout", *words]
    return on_terminal(
        command, folder=shell.folder, environment=shell.environment, columns=columns, lines=lines
    )


@pytest.fixture
def paused(shell: Shell) -> Iterator[Terminal]:
    """A deployment of four nodes on a terminal, which waits after its canary."""
    nodes = {f"web{number}": {"host": f"127.0.0.{number + 1}"} for number in range(1, 5)}
    shell.write(nodes=nodes, strategy=PAUSING)
    with terminal(shell, "deploy", "--release", "2") as screen:
        screen.shows("paused for", "web2 web3 web4 (3 waiting for the end of the pause)")
        yield screen


def test_a_pause_says_how_it_ends_and_enter_ends_it(paused: Terminal, shell: Shell) -> None:
    """The time left stands still, what is typed does not show, and the terminal is as before afterwards."""
    left = re.search(r"about .* left after the pause", paused.text)
    assert left is not None
    paused.shows("press Enter, or: rollout promote -i rollout.yml", "paused for 1.")
    assert left[0] in paused.text
    assert not paused.echoes
    paused.type("what is this")
    paused.type("\n")
    assert paused.code() == 0
    assert "what is this" not in paused.written
    assert paused.echoes
    assert shell.restarted == ["web1", "web2", "web3", "web4"]


def test_no_row_stays_behind_when_the_window_changes(paused: Terminal) -> None:
    """Each row is there once, with what was printed above, whether the window shrinks, grows, or was used by
    others while the process was stopped."""
    for times, (columns, lines) in enumerate([(60, 30), (100, 30), (100, 12), (50, 12), (140, 40)], 1):
        paused.resize(columns, lines)
        wait(lambda times=times: paused.written.count(CLEARED) >= times, "a new table", within=10)
        wait(lambda: whole_once(paused), "one table", within=10)
    paused.process.send_signal(signal.SIGSTOP)
    paused.process.send_signal(signal.SIGCONT)
    wait(lambda: paused.written.count(CLEARED) == 6, "a new table", within=10)
    paused.type("\n")
    assert paused.code() == 0


def whole_once(screen: Terminal) -> bool:
    """Whether one table stands on the screen, and the lines above it."""
    rows = [line for line in screen.lines if re.match(r"  [✓●·] web", line)]
    clocks = re.findall(r"^  \d\d:\d\d:\d\d · ", screen.text, re.MULTILINE)
    return (
        len(rows) == 2
        and len(clocks) == 1
        and screen.text.count("shop 2 → 4 nodes") == 1
        and screen.text.count("━━") >= 1
        and sum("━━" in line for line in screen.lines) == 1
    )


def test_a_deployment_is_followed_from_elsewhere(shell: Shell) -> None:
    """`status --watch` shows its steps, why it waits, its end and what to run next; Ctrl-C ends it."""
    with deploying(shell) as process, terminal(shell, "status", "--watch", columns=110) as screen:
        screen.shows("web2 (1 waiting for the end of the pause)", "paused for")
        screen.shows("continue with: rollout promote -i rollout.yml", "1 of 2")
        assert re.search(r"✓ web1 .*restarted 0\.\d s", screen.text)
        screen.resize(70, 14)
        wait(lambda: len(re.findall("^. web1 ", screen.text, re.MULTILINE)) == 1, "one row", within=10)
        shell.run("promote")
        assert process.wait(timeout=60) == 0
        screen.shows("shop · deployment 1 (restart) done, ended", "2 of 2 nodes")
        assert "━" not in screen.text
        screen.process.send_signal(signal.SIGINT)
        assert screen.code() == 130
    assert screen.written.rindex("\x1b[?25h") > screen.written.rindex("\x1b[?25l")


def test_whoever_ends_it_finds_the_terminal_as_it_was(shell: Shell) -> None:
    """After SIGTERM the cursor and the echo are back."""
    shell.write()
    with terminal(shell, "status", "--watch") as screen:
        screen.shows("web2")
        assert not screen.echoes
        screen.process.send_signal(signal.SIGTERM)
        assert screen.code() == 130
        assert screen.echoes
    assert screen.written.rindex("\x1b[?25h") > screen.written.rindex("\x1b[?25l")


def test_colours_are_for_terminals(shell: Shell) -> None:
    """States have a colour there, and none with NO_COLOR."""
    shell.write()
    for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        shell.environment |= environment
        with terminal(shell, "status", "--watch") as screen:
            screen.shows("web2")
            assert ("\x1b[31m" in screen.written) is coloured


def test_status_says_by_its_exit_code_how_the_service_is(shell: Shell) -> None:
    """0 at rest, 4 while a deployment runs, 5 where a node is left out; without the option it is 0."""
    with deploying(shell) as process:
        wait(lambda: shell.run("status", "--exit-code").code == 4, "a deployment")
        assert shell.run("status").code == 0
        shell.run("promote")
        assert process.wait(timeout=60) == 0
    quiet = shell.run("status", "-q", "--exit-code")
    assert (quiet.code, quiet.out.count("\n")) == (0, 1)
    shell.write(restart={"command": "exit 1"})
    assert shell.run("deploy").code == 1
    assert shell.run("status", "--exit-code", "--output", "json").code == 5
    shell.write(load_balancers={"lb1": {"haproxy": f"unix://{shell.folder}/no"}}, drain=None)
    unreachable = shell.run("status", "--exit-code", "--output", "json")
    assert unreachable.code == 6
    assert json.loads(unreachable.out)["load_balancers"][0]["reachable"] is False
