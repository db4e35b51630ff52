"""Preflight asks the machine of each node for its addresses, and refuses one that is another node's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

from rollout.domain import Completed
from rollout.engine.checks.machines import ADDRESSES, machine_findings
from rollout.engine.site import Site, Survey
from rollout.errors import HostUnreachable
from tests.support.states import inventory, reading, server, state


class Host:
    """A machine that says its addresses; `None` is one that cannot be reached."""

    def __init__(self, shown: str | None) -> None:
        self.shown = shown

    async def run(
        self,
        line: str,
        *,
        environment: Mapping[str, str],
        timeout: float,
        output: Callable[[str], None] | None = None,
    ) -> Completed:
        assert line == ADDRESSES
        if self.shown is None:
            raise HostUnreachable("web1", "no route")
        return Completed(0, (self.shown,))


def site(*shown: str | None, **more: Any) -> Site:
    """Nodes whose machines say what is given, and that HAProxy has at other addresses than their `host:`."""
    hosts = {f"web{number}": Host(words) for number, words in enumerate(shown, start=1)}
    given = SimpleNamespace(inventory=inventory(**more), load_balancers={}, balancer_hosts={})
    made = Site(given.inventory, hosts, {}, {}, dict.fromkeys(hosts), None, None, None, "", "")  # type: ignore[arg-type]
    return cast(Site, made)


NAMES = ("web1", "web2", "web3")
SEEN = Survey(
    (reading(*(state(f"shop/{name}", address=f"192.0.2.{number}") for number, name in enumerate(NAMES, 1))),),
    {name: (server(f"shop/{name}"),) for name in NAMES},
)


async def test_a_node_that_is_reached_on_another_ones_machine() -> None:
    """A problem, so that a deployment is refused; who cannot be asked is another finding's."""
    findings = await machine_findings(site("192.0.2.1", "192.0.2.1", None), NAMES, SEEN)
    assert [(finding.level, finding.subject) for finding in findings] == [("problem", "web2")]
    assert findings[0].text.startswith(
        "its commands run on the machine of web1 (192.0.2.1, shop/web1 on lb1)"
    )


async def test_nodes_whose_commands_run_here_are_not_asked() -> None:
    """With `ssh: local` this machine is all of them."""
    assert await machine_findings(site("192.0.2.1", "192.0.2.1", None, ssh="local"), NAMES, SEEN) == []
