"""Where a container is reached, as Docker shows it; tests/drivers/docker has the daemon's view of it."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.agents.docker.places import bindings_that_stay, changes

NOW = [{"HostIp": "0.0.0.0", "HostPort": "32768"}, {"HostIp": "::", "HostPort": "32769"}]


def container(bindings: Any = None, *, now: Any = None, every: bool = False, address: str = "") -> Any:
    return {
        "HostConfig": {"PortBindings": bindings and {"80/tcp": bindings}, "PublishAllPorts": every},
        "NetworkSettings": {
            "Ports": {"80/tcp": now, "81/tcp": None},
            "Networks": {"inner": {"IPAddress": address}},
        },
    }


@pytest.mark.parametrize(
    "bindings",
    [
        [{"HostIp": "", "HostPort": ""}],
        [{"HostIp": "", "HostPort": "0"}],
        [{"HostIp": "", "HostPort": "32768-32800"}],
        None,
    ],
    ids=["any", "zero", "range", "all that are exposed"],
)
def test_a_port_that_docker_chose_stays(bindings: Any) -> None:
    """The new container is published where the old one was, in both families."""
    assert bindings_that_stay(container(bindings, now=NOW, every=True)) == {"80/tcp": NOW}


def test_a_port_that_was_set_stays_as_it_was_set() -> None:
    """Also where nothing runs, so that none is published now; then one that is to be chosen still is."""
    fixed = [{"HostIp": "", "HostPort": "8080"}]
    shown = [{"HostIp": "0.0.0.0", "HostPort": "8080"}]
    assert bindings_that_stay(container(fixed, now=shown)) == {"80/tcp": fixed}
    any_port = [{"HostIp": "", "HostPort": ""}]
    assert bindings_that_stay(container(any_port)) == {"80/tcp": any_port}
    assert bindings_that_stay(container()) == {}


def test_what_is_reached_elsewhere_is_told() -> None:
    """A port that was chosen anew, and an address; not what is as before, or what did not run."""
    before = container(now=NOW[:1], address="172.18.0.2")
    after = container(now=[{"HostIp": "0.0.0.0", "HostPort": "32770"}], address="172.18.0.3")
    assert changes(before, after) == [
        "port 80/tcp is 0.0.0.0:32770 now, no longer 0.0.0.0:32768",
        "its address in network inner is 172.18.0.3 now, no longer 172.18.0.2",
    ]
    assert changes(before, before) == []
    assert changes(container(), after) == []
