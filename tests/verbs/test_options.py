"""A verb's help shows the options that it heeds; the shared ones are accepted everywhere."""

from __future__ import annotations

import json

import pytest
from cli_support import Shell, refused
from test_promote import deploying, paused

from tests.support.until import wait

HEEDED = {
    "deploy": {"--limit", "--output", "--yes"},
    "status": {"--limit", "--output"},
    "plan": {"--limit", "--output"},
    "check": {"--limit", "--output"},
    "drain": {"--output"},
    "ready": {"--output"},
    "resume": {"--limit", "--output"},
    "restore": {"--limit", "--output"},
    "rollback": {"--limit", "--output"},
    "promote": set(),
    "halt": set(),
    "lock": {"--output", "--yes"},
    "history": {"--output"},
}
"""The shared options that each verb heeds, besides `--inventory`."""


@pytest.mark.parametrize("verb", HEEDED)
def test_the_help_shows_what_is_heeded(shell: Shell, verb: str) -> None:
    """An option that would have no effect is not offered."""
    shown = shell.run(verb, "--help").out
    assert "--inventory" in shown
    assert {option for option in ("--limit", "--output", "--yes") if option in shown} == HEEDED[verb]


@pytest.mark.parametrize("verb", HEEDED)
def test_every_verb_accepts_the_shared_options(shell: Shell, verb: str) -> None:
    """Scripts pass the same ones to each verb: the inventory is read, and it is what is refused here."""
    ran = shell.run(verb, "-i", "none.yml", "--limit", "web1", "--output", "json", "--yes")
    assert ran.code == 2
    assert ran.error.startswith("rollout: none.yml: ")


def test_a_lock_is_broken_once_that_is_confirmed(shell: Shell) -> None:
    """Without an answer the lock stays; the old spelling breaks it too, and names the new one."""
    with deploying(shell) as process:
        wait(lambda: paused(shell), "the pause", within=30)
        kept = shell.run("lock", "--break")
        assert (kept.code, kept.error) == (3, "")
        assert kept.out.endswith(
            "break it? A deployment that is still running will halt [y/N] the lock stays\n"
        )
        broken = shell.run("lock", "--release", "--yes")
        assert (broken.code, broken.out.splitlines()[1:]) == (
            0,
            ["the lock is broken; a deployment that is still running will halt"],
        )
        assert broken.error == "rollout: `rollout lock --release` is now `rollout lock --break`\n"
        assert process.wait(timeout=60) == 130
    assert json.loads(shell.run("lock", "--output", "json").out)["held"] is False
    assert shell.restarted == ["web1"]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("deploy", "--release", ""), "--release"),
        (("deploy", "--release="), "--release"),
        (("rollback", "--to", " "), "--to"),
        (("deploy", "--wait", ""), "--wait"),
        (("status", "--inventory", ""), "--inventory"),
        (("status", "-i", ""), "-i"),
        (("plan", "--limit", ""), "--limit"),
        (("history", "--last="), "--last"),
        (("drain", "web1", ""), "an argument"),
        (("init", ""), "an argument"),
        (("ready", " ", "web1"), "an argument"),
        (("deploy", "--release", "\t\n"), "--release"),
        (("deploy", "--release= "), "--release"),
        (("deploy", "-i="), "-i"),
        (("deploy", "-i "), "-i"),
    ],
)
def test_a_value_that_is_empty_is_refused(shell: Shell, words: tuple[str, ...], what: str) -> None:
    """A variable that is not set is no reason to restart everything, or to take the default."""
    refused(shell.run(*words), 2, f"{what} has no value", "is the variable set that should give it?")


@pytest.mark.parametrize("value", ["", " ", "\n"])
def test_a_variable_that_names_no_inventory_is_refused(shell: Shell, value: str) -> None:
    """It does not mean the inventory of this folder, which may be another service's."""
    shell.write()
    shell.environment["ROLLOUT_INVENTORY"] = value
    refused(shell.run("deploy"), 2, "ROLLOUT_INVENTORY has no value", "is the variable set")
    assert shell.restarted == []
    assert shell.run("history", "-i", "rollout.yml").code == 0
