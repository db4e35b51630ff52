"""`${NAME}`: taken from the environment, never shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from inventory_support import ROOT, Compose, Loads, Mistakes

from rollout.inventory import InventoryError

SECRET = "hunter2 s3cr3t"


def test_values_come_from_the_environment(loads: Loads, compose: Compose) -> None:
    """Any value may hold one, also as a part, and numbers and durations too."""
    inventory = loads(
        compose(
            nodes='{web1: {host: "${HOST}.${DOMAIN}", ssh: {port: "${PORT}"}}}',
            drain='{timeout: "${SECONDS}s"}',
        ),
        {"HOST": "web1", "DOMAIN": "example.com", "PORT": "2222", "SECONDS": "7", "UNUSED": "x"},
    )
    assert inventory.ssh_target("web1") is not None
    assert str(inventory.ssh_target("web1")) == "web1.example.com:2222"
    assert inventory.drain.timeout == 7
    assert inventory.variables == {"HOST": "web1", "DOMAIN": "example.com", "PORT": "2222", "SECONDS": "7"}


def test_a_value_is_not_looked_into_again(loads: Loads, compose: Compose) -> None:
    """What a variable holds is taken as it is."""
    environment = {"A": "${B}", "B": "x"}
    inventory = loads(compose(nodes='{web1: {host: "${A}"}}'), environment)
    assert inventory.nodes["web1"].host == "${B}"
    assert inventory.variables == {"A": "${B}"}


def test_a_doubled_dollar_is_the_characters_themselves(loads: Loads, compose: Compose) -> None:
    """`$${NAME}` is `${NAME}`; a dollar without a brace is only a dollar."""
    inventory = loads(compose(nodes='{web1: {host: "$${A}$A$$", zone: "{host}"}}'))
    assert inventory.nodes["web1"].host == "${A}$A$$"
    assert inventory.variables == {}


def test_shell_lines_stay_as_they_are(loads: Loads, compose: Compose) -> None:
    """The shell fills them in; the names that it needs are collected, but for those that are its own."""
    line = "x ${TOKEN} $TOKEN ${ROLLOUT_RELEASE} $${PID} $$${B} ${C:-c} ${#D} '$'{E}"
    inventory = loads(compose(release=json.dumps({"command": line})), {"TOKEN": "t", "B": "b", "C": "c"})
    assert inventory.release
    assert inventory.release.command == line
    assert inventory.variables == {"TOKEN": "t", "B": "b"}


def test_the_start_of_a_worker_is_a_shell_line(loads: Loads, compose: Compose) -> None:
    """Like every command, whatever its key is called."""
    inventory = loads(compose(restart='{celery: {app: a, start: "x ${TOKEN}"}}'), {"TOKEN": "t"})
    assert inventory.restart.celery.start == "x ${TOKEN}"
    assert inventory.variables == {"TOKEN": "t"}


def test_the_lines_around_a_restart_are_shell_lines(loads: Loads, compose: Compose) -> None:
    """Also in a list. What is no line among them is filled in."""
    lines = {name: f"{name} ${{TOKEN}}" for name in ("restart", "check", "proof", "explain")}
    given = json.dumps([{"command": {**lines, "gap": "${GAP}"}}])
    inventory = loads(compose(restart=given), {"TOKEN": "t", "GAP": "no"})
    command = inventory.restart[0].command
    assert command.model_dump() == {**lines, "gap": False}
    assert inventory.variables == {"TOKEN": "t", "GAP": "no"}


@pytest.mark.parametrize("key", ["prepare", "release", "restart"])
def test_unset_names_in_shell_lines(mistakes: Mistakes, compose: Compose, key: str) -> None:
    """A shell line that would run without its value is a mistake."""
    (line,) = mistakes(compose(**{key: '{command: "x ${TOKEN}"}'}))
    assert line.endswith(f"{key}.command: environment variable TOKEN is not set")


@pytest.mark.parametrize("value", ["${", "${}", "${1}", "${A:-b}", "${{host}}", "${A-B}"])
def test_what_is_no_variable(mistakes: Mistakes, compose: Compose, value: str) -> None:
    """What begins like a variable and is none is not taken for text."""
    (line,) = mistakes(compose(nodes=f'{{web1: {{host: "{value}"}}}}'), {"A": "x"})
    assert line == (
        "prod.yml:3:22: nodes.web1.host: ${ begins a variable: expected ${NAME}, or $${ for a literal ${"
    )


def test_an_unset_name_is_one_mistake(mistakes: Mistakes, compose: Compose) -> None:
    """Nothing that follows from it is told."""
    assert mistakes(compose(restart='{systemd: "${UNIT}"}', ssh='"${SSH}"')) == [
        "prod.yml:4:20: restart.systemd: environment variable UNIT is not set",
        "prod.yml:5:6: ssh: environment variable SSH is not set",
    ]


def _scalars(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return [found for key, below in pairs for found in _scalars(below, (*path, key))]
    return [path]


FULL = yaml.safe_load((ROOT / "inventories/production.yml").read_text())
FULL["drain"]["health_page"] = {
    "file": "/run/x",
    "settle": "1s",
    "port": 1,
    "request": {"down": {"url": "http://a", "method": "PUT"}, "up": {"url": "http://a", "method": "PUT"}},
}


@pytest.mark.parametrize("path", _scalars(FULL), ids=lambda path: ".".join(map(str, path)))
@pytest.mark.parametrize("secret", [SECRET, f"http://{SECRET}:{SECRET}", "unix://[hunter2", "h\udcff"])
def test_a_value_from_a_variable_is_never_shown(loads: Loads, path: tuple[Any, ...], secret: str) -> None:
    """Whatever is wrong with it: the mistake shows the name alone."""
    data = json.loads(json.dumps(FULL))
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = "${PASSWORD}"
    with pytest.raises(InventoryError) as caught:
        loads(json.dumps(data), {"PASSWORD": secret, "SHOP_TOKEN": secret})
    assert "hunter2" not in str(caught.value)
    assert "\udcff" not in str(caught.value)
    assert secret not in str(caught.value)
