"""Signs that commands for a node reach another one, or that requests still reach a node that is drained."""

from __future__ import annotations

from typing import Any

from rollout.decisions.contradictions import left_serving, on_machines_of_others
from tests.support.states import reading, state

WEB1, WEB2 = state("shop/web1", address="10.0.0.11"), state("shop/web2", address="10.0.0.12")


def on(**shown: str) -> dict[str, str]:
    """The problems, with what each node's machine says of its addresses."""
    return on_machines_of_others({"web1": [WEB1], "web2": [WEB2]}, shown)


def test_a_machine_that_is_another_nodes() -> None:
    """HAProxy sends requests for it elsewhere, and to this machine those for the other one."""
    assert on(web1="192.168.0.1 10.0.0.11", web2="192.168.0.1 10.0.0.11 fe80::1") == {
        "web2": "its commands run on the machine of web1 (10.0.0.11, shop/web1 on lb1), but its own "
        "shop/web2 on lb1 is at 10.0.0.12"
    }
    exchanged = on(
        web1="2: eth0 inet 10.0.0.12/24 brd 10.0.0.255 scope", web2="2: eth0 inet 10.0.0.11/24 scope"
    )
    assert list(exchanged) == ["web1", "web2"]


def test_what_says_nothing_is_no_sign() -> None:
    """Translated addresses, a machine that does not answer, one machine that is both, and loopback."""
    assert on(web1="172.16.0.1", web2="") == {}
    assert on(web1="10.0.0.11 10.0.0.12", web2="10.0.0.11 10.0.0.12") == {}
    local: Any = {"web1": [state(address="127.0.0.1")], "web2": [state("shop/web2", address="127.0.0.2")]}
    assert on_machines_of_others(local, {"web2": "127.0.0.1 127.0.0.3"}) == {}


def test_what_is_left_serving_is_named_once_for_each_load_balancer() -> None:
    """Servers that `backends:` leaves out, at the address and port of one that is drained."""
    shown = [state(f"more/{name}", address="10.0.0.11") for name in ("a", "b")]
    elsewhere = [state("other/port", address="10.0.0.11", port=1), state("unix/a", address="-", port=0)]
    assert left_serving([reading(WEB1, *shown, *elsewhere)], {"web1": [WEB1]}) == [
        "more/a on lb1 sends requests to 10.0.0.11:8000, as shop/web1 on lb1 does, and so do 1 more, but "
        "`backends:` leaves it out: it is not drained"
    ]
    assert left_serving([reading(WEB1, *elsewhere)], {"web1": [WEB1]}) == []
