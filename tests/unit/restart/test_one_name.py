"""A restart driver has one name on every floor of the house."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from rollout.inventory.restart import DRIVERS, Restart
from rollout.restart import _DRIVERS

ROOT = Path(__file__).parents[3]

WITHOUT_AN_AGENT = ("command", "http", "systemd")
"""They need no program on the node: a shell line, a request, systemctl."""

TESTED_WITH_THE_ENGINE = ("http",)
"""There is no server of its own to test: it is carried out in `tests/engine` and `tests/lab`."""


@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_has_its_name_everywhere(name: str) -> None:
    """Its settings, its plan, its agent, its page, its tests."""
    assert name in Restart.model_fields
    assert _DRIVERS[name].__module__ == f"rollout.restart.{name}"
    assert (ROOT / "docs/drivers" / f"{name}.md").is_file()
    agent = next(
        (f"rollout.agents.{found}" for found in (name, f"{name}.restart") if _is_module(found)),
        None,
    )
    assert (agent is None) == (name in WITHOUT_AN_AGENT)
    if agent is not None:
        assert importlib.import_module(agent).Options._fields[-2:] == ("timeout", "check")
    if name not in TESTED_WITH_THE_ENGINE:
        assert list((ROOT / "tests/drivers" / name).glob("test_*.py"))


def test_there_is_nothing_else() -> None:
    """A page or a folder of tests without its driver is a leftover. `none` has a page, and no driver."""
    assert tuple(_DRIVERS) == DRIVERS
    assert {page.stem for page in (ROOT / "docs/drivers").glob("*.md")} == {*DRIVERS, "none"}
    folders = {path.parent.name for path in (ROOT / "tests/drivers").glob("*/test_*.py")}
    assert folders == set(DRIVERS) - set(TESTED_WITH_THE_ENGINE)
    assert not list((ROOT / "tests/drivers").glob("test_*.py"))


def _is_module(name: str) -> bool:
    return (ROOT / "rollout/agents" / f"{name.replace('.', '/')}.py").is_file()
