"""Releases that are healthy by their own page, and worse for users: traffic through two HAProxy tells."""

from __future__ import annotations

from typing import Any

import pytest
from lab_support import StartLab
from test_deploy import HARSH, change_inventory, deploy_under_traffic, states

SIX: dict[str, Any] = {**HARSH, "nodes": 6, "start": 0.1}


@pytest.mark.parametrize(
    ("release", "reason"),
    [("errors-1", "errors-1 answered "), ("slow-1", "ms to answer where web2…web6 on 1 took ")],
)
def test_it_is_stopped_at_the_canary_and_rolled_back(start_lab: StartLab, release: str, reason: str) -> None:
    """One of six nodes has it for a while: fewer than one in a hundred of all requests fail."""
    lab = start_lab(**SIX)
    change_inventory(lab, "  bake: 0\n", "  bake: 12s\n")

    code, output, result = deploy_under_traffic(lab, "--release", release)

    assert code == 1, output
    assert reason in output
    assert "rolled back now: web1" in output
    assert "web2  drain" not in output
    assert states(lab) == dict.fromkeys((f"web{number}" for number in range(1, 7)), ("ready", "1"))
    asked = len(result.latencies) + result.losses.total()
    assert set(result.losses) <= {"status 500"}, output
    assert result.losses.total() < 0.01 * asked
    assert asked > 1000
