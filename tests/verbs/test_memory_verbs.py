"""What was left out, and what was printed, is known for as long as it matters, and costs nothing else."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cli_support import Shell

from rollout.cli.journal import last_deployment, node_memories, prune
from rollout.domain import Step
from rollout.events import OutputSeen, StepStarted
from tests.support.journals import numbers, opened

FAILS = {"command": 'echo "says $ROLLOUT_NODE"; test "$ROLLOUT_NODE" != web1'}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_a_node_left_out_is_named_until_it_is_back(shell: Shell) -> None:
    """Deployments of other nodes come and go: `status` names the node, by whom and why it was left out, and
    `restore` brings it back, after which nobody names it."""
    shell.write(restart=FAILS)
    assert shell.run("deploy", "--limit", "web1").code == 1
    for _ in range(3):
        assert shell.run("deploy", "--limit", "web2").code == 0

    status = shell.run("status").out
    assert "; left out: web1\n" in status
    assert "web1 was left out by deployment 1 at restart: " in status
    assert "put web1 back: rollout restore -i rollout.yml" in status
    found = json.loads(shell.run("status", "--output", "json").out)
    assert found["left_out"] == ["web1"]
    assert {node["name"]: node["left_out"] and node["left_out"]["deployment"] for node in found["nodes"]} == {
        "web1": 1,
        "web2": None,
    }
    assert (shell.folder / "draining" / "web1").exists()

    assert "1 node back in rotation" in shell.run("restore").out
    assert not (shell.folder / "draining" / "web1").exists()
    assert "left out" not in shell.run("status").out
    assert "no node was left out" in shell.run("restore").out


def test_what_commands_printed_can_be_shown(shell: Shell) -> None:
    """Of one deployment, as lines or as JSON; one that is not there is refused."""
    shell.write(restart=FAILS)
    shell.run("deploy", "--limit", "web2")
    assert "web2  restart  | says web2\n" in shell.run("history", "--printed", "1").out
    lines = shell.run("history", "--printed", "1", "--output", "json").out.splitlines()
    assert [json.loads(line)["text"] for line in lines if "output_seen" in line] == ["says web2"]
    none = shell.run("history", "--printed", "7")
    assert (none.code, none.error) == (
        3,
        "rollout: the journal has no deployment 7 of shop, only 1\nhint: rollout history\n",
    )


async def test_a_million_printed_lines_are_not_read(shell: Shell) -> None:
    """SQLite itself counts its steps: what `status` asks of the journal takes as many of them beside many
    printed lines as beside one."""
    shell.write(restart=FAILS)
    shell.run("deploy")
    steps = []
    for lines in (1, 100_000):
        with closing(sqlite3.connect(journal(shell))) as database, database:
            fields = json.dumps({"node": "web1", "step": "restart", "text": "x" * 50})
            database.executemany(
                "INSERT INTO printed (deployment, sequence, time, kind, fields) "
                "VALUES (1, ?, 0, 'OutputSeen', ?)",
                ((1_000_000 * lines + line, fields) for line in range(lines)),
            )
        async with opened(journal(shell)) as opened_journal:
            counted = 0

            def count() -> int:
                nonlocal counted
                counted += 1
                return 0

            opened_journal._database._database.set_progress_handler(count, 1)
            assert await last_deployment(opened_journal, "shop") is not None
            assert "web1" in await node_memories(opened_journal, "shop")
        steps.append(counted)
    assert steps[0] == steps[1]


async def test_old_deployments_are_removed(shell: Shell) -> None:
    """At the end of a deployment: the last 200 stay, and the one that left out a node which is still out."""
    shell.write(restart=FAILS)
    shell.run("deploy", "--limit", "web1")
    async with opened(journal(shell)) as opened_journal:
        for _ in range(205):
            await opened_journal.begin("shop", [OutputSeen("web1", Step.RESTART, "x")], lambda _: {})
        await opened_journal.begin("other", [StepStarted("web1", Step.DRAIN)], lambda _: {})
        await prune(opened_journal, "shop", 200)
        assert await numbers(opened_journal, "shop") == [1, *range(7, 207)]
        assert len(await numbers(opened_journal, "other")) == 1


def journal(shell: Shell) -> Path:
    return shell.folder / "state" / "rollout" / "journal.db"
