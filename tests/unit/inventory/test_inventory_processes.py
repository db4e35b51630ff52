"""`restart.processes`, as an inventory writes it."""

from __future__ import annotations

import pytest
from inventory_support import Compose, Loads, Mistakes

PATHS = "pidfile: /run/words.pid, beats: /run/words"


def test_the_defaults(loads: Loads, compose: Compose) -> None:
    """Two paths are enough, and no load balancer is missed."""
    inventory = loads(compose(load_balancers=None, restart=f"{{processes: {{{PATHS}}}}}"))
    name, settings = inventory.restart.driver
    assert (name, settings.signal, settings.ready, settings.drain, settings.log) == (
        "processes",
        "HUP",
        30,
        60,
        None,
    )


@pytest.mark.parametrize(
    ("more", "timeout", "said"),
    [
        ("ready: 60s", "2m", "new workers may take 1m, and old ones 1m"),
        ("drain: 10m", "2m", "new workers may take 30s, and old ones 10m"),
        ("ready: 1s, drain: 4s", "5s", "new workers may take 1s, and old ones 4s"),
    ],
)
def test_there_must_be_time_for_old_and_new(
    mistakes: Mistakes, compose: Compose, more: str, timeout: str, said: str
) -> None:
    """A restart that may take longer than its time-out could end without a word why."""
    (line,) = mistakes(compose(restart=f"{{processes: {{{PATHS}, {more}}}, timeout: {timeout}}}"))
    expected = f"expected restart.timeout ({timeout}) to be longer than both together"
    assert line == f"prod.yml:4:11: restart.processes: {said}: {expected}"


def test_a_mistaken_duration_is_one_mistake(mistakes: Mistakes, compose: Compose) -> None:
    """What is no duration is not reckoned with."""
    assert len(mistakes(compose(restart=f"{{processes: {{{PATHS}, ready: soon}}}}"))) == 1
    assert len(mistakes(compose(restart=f"{{processes: {{{PATHS}}}, timeout: 10}}"))) == 1
