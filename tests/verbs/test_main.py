"""The command line: its exit codes, its options, and what becomes of its output."""

from __future__ import annotations

import json
import os
import resource
import signal
from pathlib import Path

import pytest
from cli_support import Ran, Shell, refused, words

from rollout import __version__
from rollout.cli.main import VERBS
from tests.support.until import wait


def test_a_deployment_that_is_done_exits_with_0(shell: Shell) -> None:
    """Every node was restarted, in order."""
    shell.write()
    ran = shell.run("deploy")
    assert (ran.code, ran.error) == (0, "")
    assert shell.restarted == ["web1", "web2"]
    assert "shop restart done on 2 of 2 nodes" in ran.out


def test_a_deployment_that_failed_exits_with_1(shell: Shell) -> None:
    """The end of the output says which node, which step, why, and what to run next."""
    shell.write(restart={"command": "echo no luck; exit 7"})
    ran = shell.run("deploy")
    assert (ran.code, ran.error) == (1, "")
    assert "web1 failed at restart" in ran.out
    assert "exited with 7" in ran.out
    assert "  | no luck" in ran.out
    assert "rollout restore -i rollout.yml" in ran.out


def test_a_deployment_that_is_interrupted_exits_with_130(shell: Shell) -> None:
    """The first Ctrl-C lets the node in flight finish, and starts no other."""
    shell.write(
        restart={
            "command": f"touch {shell.folder}/begun; while [ ! -e {shell.folder}/go ]; do sleep 0.05; done"
        }
    )
    with shell.start("deploy") as process:
        try:
            wait((shell.folder / "begun").exists, "the restart to begin")
            process.send_signal(signal.SIGINT)
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            assert any("halted" in line for line in lines)
            (shell.folder / "go").touch()
            out, error = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, error) == (130, "")
    assert "1 done: web1" in out
    assert "1 untouched: web2" in out


def test_without_a_word_it_prints_its_help(shell: Shell) -> None:
    """As an error, since nothing was done."""
    ran = shell.run()
    assert (ran.code, ran.out) == (2, "")
    for verb in VERBS:
        assert f"\n    {verb} " in ran.error


def test_help_and_version(shell: Shell) -> None:
    """They are output, and everything is well."""
    assert shell.run("--version") == Ran(0, f"rollout {__version__}\n", "")
    assert shell.run("--help").code == 0


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(shell: Shell, verb: str) -> None:
    """Each can be asked, with the same words for what it is for."""
    ran = shell.run(verb, "--help")
    assert (ran.code, ran.error) == (0, "")
    assert f"\n{VERBS[verb][0].upper()}{VERBS[verb][1:]}.\n" in ran.out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("deploi", "there is no verb deploi"),
        ("--limit web1", "no verb is given"),
        ("deploy --nonsense", "--nonsense is not an option of `rollout deploy`"),
        ("deploy --output xml", "--output takes text or json, not xml"),
        ("deploy --inv rollout.yml", "--inv is not an option"),
        ("deploy --release", "--release needs a value"),
        ("deploy web1", "did you mean: rollout deploy --limit web1"),
        ("deploy --limit ,", "--limit: expected at least one node"),
        ("history --last 0", "--last: expected a number from 1 up"),
    ],
)
def test_a_wrong_command_line_exits_with_2(shell: Shell, line: str, message: str) -> None:
    """The mistake is told, and nothing is touched."""
    shell.write()
    ran = shell.run(*line.split())
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.error
    assert "Traceback" not in ran.error
    assert shell.restarted == []


def test_an_empty_limit_does_not_mean_every_node(shell: Shell) -> None:
    """It comes from a variable of the shell that is not set."""
    shell.write()
    assert shell.run("deploy", "--limit", "").code == 2
    assert shell.restarted == []


def test_an_empty_inventory_option_does_not_mean_the_one_in_this_folder(shell: Shell) -> None:
    """Neither does it mean the one of the environment."""
    shell.environment["ROLLOUT_INVENTORY"] = str(shell.write())
    refused(shell.run("deploy", "-i", ""), 2, "-i has no value")
    assert shell.restarted == []


def test_where_the_inventory_comes_from(shell: Shell) -> None:
    """The option, else the environment, else rollout.yml in this folder, else a hint."""
    refused(shell.run("history"), 2, "no inventory: give --inventory FILE", "`rollout init`")
    shell.write(service="here")
    assert shell.run("history").out.startswith("here ")
    shell.write(service="there").rename(shell.folder / "there.yml")
    shell.environment["ROLLOUT_INVENTORY"] = "there.yml"
    assert shell.run("history").out.startswith("there ")
    shell.write(service="here")
    assert shell.run("history", "-i", "rollout.yml").out.startswith("here ")


def test_a_journal_that_cannot_be_written(shell: Shell) -> None:
    """Without a journal nothing is begun."""
    shell.write()
    shell.environment["XDG_STATE_HOME"] = "/proc/nowhere"
    refused(shell.run("deploy"), 3, "journal /proc/nowhere/rollout/", "set XDG_STATE_HOME to choose")
    assert shell.restarted == []


def test_a_journal_that_fills_its_disk_leaves_no_node_halfway(shell: Shell) -> None:
    """The node in flight is finished and put back, no other starts, and that is told."""
    node = f"{shell.folder}/restarted"
    shell.write(restart={"command": f'seq 1 9999; sleep 0.3; seq 1 9999; echo "$ROLLOUT_NODE" >> {node}'})
    full = (200_000, resource.RLIM_INFINITY)
    ran = shell.run("deploy", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, full))
    assert (ran.code, ran.error) == (1, "")
    assert shell.restarted == ["web1"]
    assert list((shell.folder / "draining").iterdir()) == []
    assert ran.out.count("halted, no further node starts: journal ") == 1
    assert "1 done: web1" in ran.out
    assert "1 untouched: web2" in ran.out


@pytest.mark.linux
def test_output_that_cannot_be_written(shell: Shell) -> None:
    """A full disk below standard output is told in words."""
    for unbuffered in ("", "1"):
        shell.environment["PYTHONUNBUFFERED"] = unbuffered
        with Path("/dev/full").open("w") as full:
            ran = shell.run("schema", stdout=full)
        assert ran.code == 1
        assert ran.error == "rollout: [Errno 28] No space left on device\n"


def test_a_reader_that_goes_away(shell: Shell) -> None:
    """`rollout schema | head -1` is no error that anybody needs to hear of."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        assert shell.run("schema", stdout=stream).error == ""


def test_names_that_a_terminal_would_take_for_instructions(shell: Shell) -> None:
    """Control characters in what is given do not reach the terminal, nor does broken UTF-8."""
    shell.write()
    limited = shell.run("deploy", "--limit", "web\x1b[31m")
    named = shell.run("deploy", "-i", os.fsdecode(b"no\xffsuch\x1b.yml"))
    for ran in (limited, named):
        refused(ran, 2)
        assert "\x1b" not in ran.error


def test_a_value_of_a_variable_is_never_shown(shell: Shell) -> None:
    """Not on the screen, not in an error, and not in the journal: only `***`."""
    secret = "hunter2-and-more"
    shell.environment["TOKEN"] = secret
    shell.write(
        restart={"command": 'echo "the token is ${TOKEN}"; test "$ROLLOUT_NODE" = web1'},
        health={"http": "http://127.0.0.1:1/${TOKEN}", "timeout": "100ms"},
    )
    outputs = [shell.run("deploy", "--output", output) for output in ("text", "json")]
    outputs += [shell.run(verb, "--output", "json") for verb in ("plan", "status", "history", "check")]
    outputs += [shell.run(*words(verb)) for verb in ("plan", "status", "history", "check", "drain", "ready")]
    assert any("the token is ***" in ran.out for ran in outputs)
    for ran in outputs:
        assert secret not in ran.out + ran.error
        assert "Traceback" not in ran.error
    for file in (shell.folder / "state").rglob("*"):
        assert file.is_dir() or secret.encode() not in file.read_bytes()


def test_a_user_without_a_name_can_deploy(shell: Shell) -> None:
    """In a container, a user may be a number that nobody knows, with no home."""
    shell.write()
    program = (
        "import getpass, sys\n"
        "def unknown(): raise KeyError('getpwuid(): uid not found: 54321')\n"
        "getpass.getuser = unknown\n"
        "from rollout.cli.main import main\n"
        "sys.exit(main(['deploy', '--output', 'json']))\n"
    )
    ran = shell.run_python(program)
    assert (ran.code, ran.error) == (0, "")
    started = json.loads(ran.out.splitlines()[0])
    assert started["user"] == str(os.getuid())
