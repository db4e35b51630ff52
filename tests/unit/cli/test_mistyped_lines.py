"""Command lines as people type them: each is answered with what was meant, and no guess is run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path

import pytest

from rollout import __version__
from rollout.cli.command_line.arrange import arranged
from rollout.cli.command_line.meant import explained
from rollout.cli.command_line.parser import VERBS, WrongLine, make_parser, verb_line
from rollout.cli.command_line.table import subparsers
from rollout.cli.main import main

INVENTORY = """\
service: shop
nodes: {web1: {host: 127.0.0.2}, web2: {host: 127.0.0.3}}
ssh: local
drain: {health_page: {file: "draining/{node}", settle: "0"}}
restart: {command: "echo never"}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an inventory that is not the usual one, and no setting of the user."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROLLOUT_INVENTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "prod.yml").write_text(INVENTORY)
    return tmp_path


def refusal(line: str) -> tuple[str, str]:
    """The message and the hint for a line that cannot be parsed."""
    words = arranged(shlex.split(line))
    with pytest.raises(WrongLine) as refused:
        make_parser(words[0]).parse_args(words)
    error = explained(words, str(refused.value))
    return str(error), str(error.hint)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("deplyo", "deploy"),
        ("deploi -i prod.yml --relase 1.4.2", "deploy -i prod.yml --release 1.4.2"),
        ("Deploy", "deploy"),
        ("STATUS -i prod.yml", "status -i prod.yml"),
        ("stat", "status"),
        ("start", "deploy"),
        ("undo", "rollback"),
        ("ls", "status"),
        ("logs", "show"),
        ("continue", "resume"),
        ("approve -i prod.yml", "promote -i prod.yml"),
        ("unlock", "lock --break"),
        ("watch -i prod.yml", "status --watch -i prod.yml"),
        ("rollout deploy", "deploy"),
        ("prod.yml", "status -i prod.yml"),
        ("prod.yml deploy", "deploy -i prod.yml"),
        ("1.4.2", "deploy --release 1.4.2"),
        ("-i prod.yml", "status -i prod.yml"),
        ("--release 1.4.2", "deploy --release 1.4.2"),
        ("-i prod.yml deplyo", "deploy -i prod.yml"),
        ("help deplyo", "deploy --help"),
        ("deploy --relase 1.4.2", "deploy --release 1.4.2"),
        ("deploy --relase=1.4.2", "deploy --release 1.4.2"),
        ("deploy --rel 1.4.2", "deploy --release 1.4.2"),
        ("deploy --Release 1.4.2", "deploy --release 1.4.2"),
        ("deploy -release 1.4.2", "deploy --release 1.4.2"),
        ("deploy –release 1.4.2", "deploy --release 1.4.2"),
        ("deploy —release 1.4.2", "deploy --release 1.4.2"),
        ("deploy release=1.4.2", "deploy --release 1.4.2"),
        ("deploy --allow_outage", "deploy --allow-outage"),
        ("deploy -r 1.4.2", "deploy --release 1.4.2"),
        ("deploy --tag 1.4.2", "deploy --release 1.4.2"),
        ("deploy --version 1.4.2", "deploy --release 1.4.2"),
        ("deploy --to 1.4.2", "deploy --release 1.4.2"),
        ("deploy 1.4.2", "deploy --release 1.4.2"),
        ("deploy prod.yml", "deploy -i prod.yml"),
        ("deploy prod.yml 1.4.2", "deploy -i prod.yml --release 1.4.2"),
        ("deploy --node web1 -i prod.yml", "deploy --limit web1 -i prod.yml"),
        ("deploy web1 -i prod.yml", "deploy -i prod.yml --limit web1"),
        ("deploy --limit web1 web2 -i prod.yml", "deploy --limit web1,web2 -i prod.yml"),
        ("status -i prod.yml web1 web2", "status -i prod.yml --limit web1,web2"),
        ("deploy -c prod.yml", "deploy --inventory prod.yml"),
        ("deploy --config=prod.yml", "deploy --inventory prod.yml"),
        ("deploy --no-confirm", "deploy --yes"),
        ("deploy --yes=true", "deploy --yes"),
        ("deploy --dry-run", "plan"),
        ("deploy -i prod.yml --release 2 --wait 5m -n", "plan -i prod.yml --release 2"),
        ("plan --dry-run", "plan"),
        ("rollback 1.4.1", "rollback --to 1.4.1"),
        ("rollback --release 1.4.1", "rollback --to 1.4.1"),
        ("history 17", "show 17"),
        ("status -w", "status --watch"),
        ("status --json", "status --output json"),
        ("status -o json", "status --output json"),
        ("status --output JSON", "status --output json"),
        ("lock --force", "lock --break"),
        ("lab dmeo", "lab demo"),
        ("lab start", "lab up"),
        ("hook gunicron", "hook gunicorn"),
        ("completion zhs", "completion zsh"),
        ("init -i prod.yml", "init prod.yml"),
        ("deploy deploy", "deploy"),
        ("halt now", "halt"),
    ],
)
def test_the_line_that_was_meant_is_named(typed: str, meant: str) -> None:
    """The hint is the whole line, as a shell takes it, and the parser takes it as well."""
    _, hint = refusal(typed)
    line = hint.removeprefix("did you mean: rollout ")
    assert shlex.split(line) == shlex.split(meant)
    if "--help" not in line:
        make_parser(meant.split()[0]).parse_args(shlex.split(line))


@pytest.mark.parametrize(
    ("typed", "message", "hint"),
    [
        ("nonsense", "there is no verb nonsense", "the verbs are deploy, status, plan"),
        ("deploy --nonsense", "--nonsense is not an option of `rollout deploy`", "`rollout deploy --help`"),
        ("status --release 1.4.2", "--release is not an option of", "--release is an option of deploy, plan"),
        ("deploy --window 2", "--window is not an option", "the inventory says that: strategy.window"),
        ("deploy --canary=1", "--canary is not an option", "the inventory says that: strategy.canary"),
        ("deploy --force", "--force is not an option", "--allow-outage and --allow-unhealthy skip"),
        ("rollback --dry-run", "--dry-run is not an option", "`rollout plan` shows what a deploy would do"),
        ("deploy status", "status is not expected here", "give one verb"),
        ("deploy --output yaml", "--output takes text or json, not yaml", "--help"),
        ("deploy --release", "--release needs a value: --release RELEASE", "--help"),
        ("deploy --release --yes", "--release needs a value", "--help"),
        ("deploy --limit ,", "--limit: expected at least one node", "--help"),
        ("history --last 0", "--last: expected a number from 1 up", "--help"),
        ("deploy --wait soon", "--wait: ", "--help"),
        ("why", "`rollout why` needs NODE", "`rollout why --help`"),
        ("lab", "`rollout lab` needs up or traffic or down or demo", "`rollout lab --help`"),
        ("completion", "`rollout completion` needs bash or zsh or fish", "--help"),
    ],
)
def test_where_no_line_is_clear_it_says_what_is_wrong(typed: str, message: str, hint: str) -> None:
    """Nothing is suggested that might be wrong: who has the option, or where its help is, is said instead."""
    said, told = refusal(typed)
    assert message in said
    assert hint in told
    assert "did you mean" not in told


@pytest.mark.parametrize("typed", ["deplyo -i prod.yml", "deploy -i prod.yml 1.4.2", "-i prod.yml"])
def test_what_is_guessed_is_not_run(typed: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends with 2, and neither a journal nor a drain file is there."""
    assert main(shlex.split(typed)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("rollout: ")
    assert "\nhint: did you mean: rollout " in printed.err
    assert [path.name for path in folder.iterdir()] == ["prod.yml"]


@pytest.mark.parametrize(
    "typed",
    [
        "help",
        "--help",
        "-h",
        "-help",
        "help deploy",
        "--help deploy",
        "deploy help",
        "deploy -h",
        "lab help",
        "help lab up",
        "-i prod.yml --help",
        "-i prod.yml deploy --help",
    ],
)
def test_help_is_there_however_it_is_asked_for(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the verb that is named, or of all."""
    with pytest.raises(SystemExit) as end:
        main(shlex.split(typed))
    assert end.value.code == 0
    verb = next((word for word in typed.split() if word in VERBS), "")
    assert capsys.readouterr().out.startswith(f"usage: rollout {verb}".rstrip())


@pytest.mark.parametrize("typed", ["version", "--version", "-V", "-version", "-v", "deploy --version"])
def test_the_version_is_there_however_it_is_asked_for(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is output, and everything is well."""
    with pytest.raises(SystemExit) as end:
        main(shlex.split(typed))
    assert (end.value.code, capsys.readouterr().out) == (0, f"rollout {__version__}\n")


def test_a_version_without_a_number_is_not_taken_for_a_success() -> None:
    """`--version $TAG` of a job that meant the release must not end well if the variable is not set."""
    message, hint = refusal("deploy -i prod.yml --version")
    assert (
        message
        == "--version is not an option of `rollout deploy`; --release needs a value: --release RELEASE"
    )
    assert "did you mean" not in hint


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("-i prod.yml status", "status -i prod.yml"),
        ("--inventory=prod.yml status --watch", "status --inventory=prod.yml --watch"),
        ("--output json -y plan -i prod.yml", "plan --output json -y -i prod.yml"),
        ("--release 1.4.2 deploy", "deploy --release 1.4.2"),
        ("--release=1.4.2 deploy -i prod.yml", "deploy --release=1.4.2 -i prod.yml"),
        ("-q -iprod.yml check", "check -q -iprod.yml"),
    ],
)
def test_options_may_stand_before_the_verb(typed: str, same: str) -> None:
    """It is no guess: the words are the same."""
    assert arranged(shlex.split(typed)) == shlex.split(same)


def test_a_node_may_have_the_name_help() -> None:
    """`drain help` drains it."""
    assert arranged(["drain", "help"]) == ["drain", "help"]


def test_a_missing_inventory_names_those_that_are_here(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The only one by its option, several by their paths, and none is taken: it may be the wrong one."""

    def said() -> str:
        assert main(["status"]) == 2
        return capsys.readouterr().err

    assert said().endswith("hint: the only inventory here is prod.yml: add -i prod.yml\n")
    (folder / "inventories").mkdir()
    (folder / "prod.yml").rename(folder / "inventories" / "prod.yml")
    (folder / "compose.yml").write_text("services: {}\n")
    assert said().endswith("add -i inventories/prod.yml\n")
    (folder / "test.yaml").write_text(INVENTORY)
    assert said().endswith("hint: the inventories here are test.yaml, inventories/prod.yml\n")


@pytest.mark.parametrize("given", ["prod", "prodd.yml", "prod.yaml", "inventories/prod.yml"])
def test_a_file_that_is_not_there(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The one that was meant is named."""
    assert main(["status", "-i", given]) == 2
    assert capsys.readouterr().err == f"rollout: {given}: no such file\nhint: did you mean prod.yml?\n"


def lines_of(examples: Iterable[str]) -> list[list[str]]:
    """The command lines of rollout, without what a shell makes of their output."""
    plain = (re.sub(r'eval "\$\((.*)\)"', r"\1", example) for example in examples)
    return [shlex.split(re.split(r" (?:[|>]|&&) ", example)[0]) for example in plain]


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_examples_that_are_right(verb: str) -> None:
    """They are command lines of that verb, and its help shows them."""
    lines = lines_of(verb_line(verb).EXAMPLES)
    assert lines
    for words in lines:
        assert words[:2] == ["rollout", verb]
        make_parser(verb).parse_args(words[1:])
    (parser,) = [one for name, one in subparsers(make_parser(verb)).items() if name == verb]
    for example in verb_line(verb).EXAMPLES:
        assert f"  {example}" in parser.format_help()
