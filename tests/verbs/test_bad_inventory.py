"""What a bad inventory gets: one clear message, exit code 2, and nothing is touched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_support import DEPLOYING, Shell, refused, words


@pytest.mark.parametrize("verb", DEPLOYING)
def test_a_missing_inventory(shell: Shell, verb: str) -> None:
    """Every verb says so in the same words, with what to do."""
    refused(
        shell.run(*words(verb), "-i", "prod.yml"), 2, "prod.yml: no such file", "hint: rollout init prod.yml"
    )


UNUSABLE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "empty": (
        lambda path: path.write_text(""),
        "the file is empty; an inventory needs service, nodes and restart",
    ),
    "only a comment": (lambda path: path.write_text("# nothing\n"), "empty"),
    "binary": (lambda path: path.write_bytes(bytes(range(256))), "found binary data"),
    "not UTF-8": (
        lambda path: path.write_bytes(b"service: sh\xf6p\n"),
        "rollout.yml:1:12: found the byte 0xf6",
    ),
    "a syntax error": (lambda path: path.write_text("service: [shop\nnodes: {}\n"), "not valid YAML"),
    "a list": (lambda path: path.write_text("- service\n"), "found a list, expected a mapping"),
    "a folder": (lambda path: path.mkdir(), "found a directory"),
    "a pipe that ends at once": (lambda path: path.symlink_to("/dev/null"), "empty"),
    "a link in a circle": (lambda path: path.symlink_to(path), "cannot be read"),
    "too large": (lambda path: path.write_bytes(b"#" * 2_000_000), "too large"),
    "nested without end": (lambda path: path.write_text("[" * 50_000), "nested too deeply"),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_file_that_is_no_inventory(shell: Shell, what: str) -> None:
    """Whatever is in it or in its place."""
    make, message = UNUSABLE[what]
    make(shell.folder / "rollout.yml")
    refused(shell.run("deploy", "-i", "rollout.yml"), 2, "rollout.yml", message)


def test_an_inventory_that_may_not_be_read(shell: Shell) -> None:
    """The reason is told."""
    path = shell.write()
    path.chmod(0)
    program = (
        "import os, sys; from rollout.cli import main; import rollout.cli.verbs.deploy\n"
        "import rollout.cli.command_line.verbs.deploy\n"
        "os.setuid(int(sys.argv[1])); sys.exit(main.main(['deploy', *sys.argv[2:]]))"
    )
    nobody = str(os.geteuid() or 65534)
    ran = shell.run_python(program, nobody, "-i", "rollout.yml")
    refused(ran, 2, "rollout.yml: cannot be read: Permission denied")
    shell.folder.chmod(0)
    try:
        refused(shell.run_python(program, nobody), 2, "no inventory")
    finally:
        shell.folder.chmod(0o700)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a missing section": ({"restart": None}, "restart: "),
    "an unknown key": ({"servce": "shop"}, "servce"),
    "an unknown key deep inside": (
        {"restart": {"comand": "x"}},
        "restart.comand: unknown key; did you mean command?",
    ),
    "two drivers": (
        {"restart": {"command": "x", "systemd": "y"}},
        "expected only one of them",
    ),
    "no driver": ({"restart": {}}, "expected exactly one of "),
    "a window of 0": ({"strategy": {"window": 0}}, "strategy.window"),
    "a window below 0": ({"strategy": {"window": -1}}, "strategy.window"),
    "a window above all": ({"strategy": {"window": "300%"}}, "strategy.window"),
    "a variable that is not set": ({"service": "${NOT_SET}"}, "environment variable NOT_SET is not set"),
    "no nodes": ({"nodes": {}}, "nodes"),
    "a number for a mapping": ({"nodes": 7}, "nodes"),
}


@pytest.mark.parametrize("verb", DEPLOYING)
def test_a_mistake_is_the_same_for_every_verb(shell: Shell, verb: str) -> None:
    """Each names the file, the line and the key, and touches nothing."""
    shell.write(strategy={"window": "300%"})
    refused(shell.run(*words(verb)), 2, "rollout.yml:16:11: strategy.window: ")
    assert shell.restarted == []
    assert not (shell.folder / "state").exists()


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_inventory(shell: Shell, what: str) -> None:
    """Nothing is touched, and no deployment is begun."""
    changes, message = WRONG[what]
    shell.write(**changes)
    refused(shell.run("deploy"), 2, "rollout.yml:", message)
    assert shell.restarted == []
    assert not (shell.folder / "state").exists()


def test_all_mistakes_are_told_at_once(shell: Shell) -> None:
    """A line for each, in the order of the file."""
    path = shell.write(service=None, strategy={"window": 0, "cannary": 1})
    path.write_text(path.read_text() + "nodes: {}\n")
    ran = shell.run("deploy")
    refused(ran, 2, "duplicate key", "strategy.window", "did you mean canary?", "service")


def test_duplicate_nodes(shell: Shell) -> None:
    """The second of a name would silently replace the first."""
    text = shell.write().read_text()
    (shell.folder / "rollout.yml").write_text(text.replace("web2:", "web1:"))
    refused(shell.run("deploy"), 2, "nodes.web1: duplicate key, the first is on line 3")


@pytest.mark.parametrize("verb", ["deploy", "plan", "status", "check"])
def test_an_unknown_node(shell: Shell, verb: str) -> None:
    """`--limit` names the right one, and nothing is touched."""
    shell.write()
    refused(
        shell.run(verb, "--limit", "web1,wbe2"), 2, "rollout.yml has no node 'wbe2'", "did you mean web2?"
    )
    assert shell.restarted == []


@pytest.mark.parametrize("verb", ["drain", "ready"])
def test_a_step_by_hand_needs_a_node(shell: Shell, verb: str) -> None:
    """None is no word for all, and an unknown one is refused."""
    shell.write()
    refused(shell.run(verb), 2, "no node given: name one or more of web1, web2")
    refused(shell.run(verb, "wbe2"), 2, "did you mean web2?")
