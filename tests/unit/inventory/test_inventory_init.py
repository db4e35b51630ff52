"""`rollout init` writes an inventory to start from, and never over another."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from rollout.cli.command_line.parser import make_parser
from rollout.cli.verbs import init
from rollout.errors import UsageError
from rollout.inventory import load
from rollout.inventory.restart import DRIVERS


def _run(*arguments: str) -> int:
    return init.run(make_parser("init").parse_args(["init", *arguments]))


def test_it_writes_what_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is right as it is, commented, and the next command is named."""
    path = tmp_path / "my prod.yml"
    assert _run(str(path)) == 0
    assert load(path, {}).service == "shop"
    assert "# " in path.read_text()
    assert f"rollout check -i '{path}'" in capsys.readouterr().out


def test_it_names_every_driver() -> None:
    """The comment above `restart:` lists the drivers that there are, and no other."""
    starter = files("rollout").joinpath("inventory", "starter.yml").read_text(encoding="utf-8")
    comment = starter.partition("Exactly one driver: ")[2].partition(";")[0]
    assert tuple(re.findall(r"[a-z]+", comment.replace(" or ", " "))) == DRIVERS


def test_its_default_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name it is rollout.yml, here."""
    monkeypatch.chdir(tmp_path)
    assert _run() == 0
    assert (tmp_path / "rollout.yml").exists()


def test_it_never_overwrites(tmp_path: Path) -> None:
    """A file that exists stays as it is, whatever is in it."""
    path = tmp_path / "prod.yml"
    path.write_text("mine")
    with pytest.raises(UsageError, match="already exists; rollout did not change it"):
        _run(str(path))
    assert path.read_text() == "mine"


def test_it_does_not_follow_a_link(tmp_path: Path) -> None:
    """A dangling link is something that exists."""
    link = tmp_path / "prod.yml"
    link.symlink_to(tmp_path / "elsewhere.yml")
    with pytest.raises(UsageError, match="already exists; rollout did not change it"):
        _run(str(link))
    assert not (tmp_path / "elsewhere.yml").exists()


@pytest.mark.parametrize("name", ["no/such/folder.yml", "a\0b"])
def test_where_nothing_can_be_written(tmp_path: Path, name: str) -> None:
    """The system's reason is told."""
    with pytest.raises(UsageError, match="cannot be written: "):
        _run(f"{tmp_path}/{name}")
