"""Settings that can be carried out, but were probably meant otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.decisions.doubts import doubts
from tests.support.states import inventory


@pytest.mark.parametrize(
    ("strategy", "told"),
    [
        ({}, []),
        ({"window": 3, "canary": 3, "max_failures": 3}, []),
        ({"window": "100%", "canary": "100%", "waves": ["50%", "100%"]}, []),
        ({"window": 4}, ["strategy.window is 4, but the service has 3 nodes"]),
        ({"window": 50}, ["strategy.window is 50, but the service has 3 nodes; did you mean 50%?"]),
        ({"window": 500}, ["strategy.window is 500, but the service has 3 nodes"]),
        ({"canary": 10}, ["strategy.canary is 10, but the service has 3 nodes; did you mean 10%?"]),
        ({"waves": [1, 25]}, ["strategy.waves is 25, but the service has 3 nodes; did you mean 25%?"]),
        (
            {"max_failures": 10},
            ["strategy.max_failures is 10, but the service has 3 nodes: no failure would halt it"],
        ),
    ],
)
def test_counts_above_the_number_of_nodes(strategy: dict[str, Any], told: list[str]) -> None:
    """They mean all nodes, as ever; whoever forgot a percent sign is told."""
    assert list(doubts(inventory(strategy=strategy))) == told


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        (
            {"prepare": {"command": "fetch {release}"}},
            "prepare.command: {release} stays as it is in a shell line",
        ),
        ({"restart": {"command": "ssh {host} x"}}, "$ROLLOUT_HOST has the value"),
        ({"release": {"command": "put {ip}"}}, "release.command: {ip} stays as it is in a shell line"),
        ({"hooks": {"before_node": "drop {node}"}}, "hooks.before_node: {node} stays as it is"),
        ({"hooks": {"after_deploy": {"command": "x {address}"}}}, "hooks.after_deploy: {address} stays"),
        ({"strategy": {"judge": {"command": "ask {node}"}}}, "strategy.judge.command: {node} stays"),
        ({"restart": {"celery": {"app": "a", "start": "b {node}"}}}, "restart.celery.start: {node} stays"),
    ],
)
def test_placeholders_in_shell_lines(sections: dict[str, Any], told: str) -> None:
    """Nothing is filled in there: the value is in the environment."""
    (doubt,) = doubts(inventory(**sections))
    assert told in doubt


@pytest.mark.parametrize(
    "line", ["awk '{print}'", "echo ${host} ${node}", "curl -w '%{host}'", "x '{{host}}'", "mv a.{yml,bak}"]
)
def test_braces_that_are_the_shells_own(line: str) -> None:
    """Other programs have placeholders, too."""
    assert list(doubts(inventory(restart={"command": line}))) == []
