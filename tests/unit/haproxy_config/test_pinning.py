"""What a configuration says of clients that are pinned to a server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.haproxy_config.configuration import read
from rollout.haproxy_config.pinning import Pinning, Pinnings

COOKIES = "server web1 10.0.0.11:80 cookie a\nserver web2 10.0.0.12:80"
NAMED = "server web1 10.0.0.11:80\nserver web2 10.0.0.12:80"


def pinnings(text: str) -> Pinnings:
    return Pinnings(read(text))


def of(lines: str, server: str = "web1", *, defaults: str = "") -> Pinning:
    """The pinning of a server of the backend `shop`."""
    found = pinnings(f"defaults\n{defaults}\nbackend shop\n{lines}").of("shop", server)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("lines", "server", "pin"),
    [
        (f"cookie S insert\n{COOKIES}", "web1", "cookie"),
        (f"cookie S insert\n{COOKIES}", "web2", None),
        (COOKIES, "web1", None),
        (f"cookie S insert dynamic\n{NAMED}", "web1", "cookie"),
        (f"stick on src\n{NAMED}", "web1", "stick"),
        (f"stick match src\n{NAMED}", "web1", "stick"),
        (f"stick store-request src\n{NAMED}", "web1", None),
        (f"stick-table type ip size 1m\n{NAMED}", "web1", None),
        (f"persist rdp-cookie\n{NAMED}", "web1", "persist"),
        (f"use-server web1 if TRUE\n{NAMED}", "web1", "use-server"),
        (f"use-server web1 if TRUE\n{NAMED}", "web2", None),
        (f"use-server %[req.hdr(x)]\n{NAMED}", "web2", "use-server"),
        (f"balance source\noption prefer-last-server\n{NAMED}", "web1", None),
        ("use-server web3 if TRUE\nserver-template web 1-5 shop.local:80", "web3", "use-server"),
    ],
)
def test_what_pins(lines: str, server: str, pin: str | None) -> None:
    """Each line that pins clients, on the servers to which it pins them."""
    line = of(lines, server).pin
    assert (None if line is None else line.words[0]) == pin


@pytest.mark.parametrize(
    ("lines", "defaults", "persists"),
    [
        (f"option persist\ncookie S\n{COOKIES}", "", True),
        (f"cookie S\n{COOKIES}", "option persist", True),
        (f"no option persist\ncookie S\n{COOKIES}", "option persist", False),
        (f"force-persist if TRUE\ncookie S\n{COOKIES}", "", True),
        (f"ignore-persist if TRUE\ncookie S\n{COOKIES}", "", False),
    ],
)
def test_what_keeps_them_there(lines: str, defaults: str, persists: bool) -> None:
    """In maintenance a server still gets clients that are kept on it, and then they cannot be moved."""
    found = of(lines, defaults=defaults)
    assert (found.persist is not None) == persists
    assert found.moves != persists


@pytest.mark.parametrize(
    ("lines", "defaults", "cut"),
    [
        (f"default-server on-marked-down shutdown-sessions\n{COOKIES}", "", True),
        (COOKIES, "default-server on-marked-down shutdown-sessions", True),
        (f"{COOKIES}\ndefault-server on-marked-down shutdown-sessions", "", False),
        ("server web1 10.0.0.11:80 cookie a on-marked-down shutdown-sessions", "", True),
        (
            f"{COOKIES}\nlisten api\nserver x 1.2.3.4:80 track shop/web1 on-marked-down shutdown-sessions",
            "",
            True,
        ),
        (f"{COOKIES}\nserver x 1.2.3.4:80 track web1 on-marked-down shutdown-sessions", "", True),
        (
            f"{COOKIES}\nserver x 1.2.3.4:80 track web1\n"
            "backend b\nserver y 1.2.3.4:80 track shop/x on-marked-down shutdown-sessions",
            "",
            True,
        ),
    ],
)
def test_what_maintenance_cuts(lines: str, defaults: str, cut: bool) -> None:
    """On the server itself, or on one that follows it into maintenance."""
    found = of(f"cookie S\n{lines}", defaults=defaults)
    assert (found.cut is not None) == cut
    assert found.moves != cut


def test_named_defaults_and_other_sections() -> None:
    """A section has the defaults that it names; a frontend of the same name is another section."""
    text = (
        f"defaults sticky\noption persist\ndefaults plain\nbackend shop from sticky\n{NAMED}\nfrontend shop\n"
    )
    found = pinnings(text).of("shop", "web1")
    assert found is not None
    assert found.persist is not None


def test_what_it_does_not_have() -> None:
    """A server that was added later, or a backend of another file, is not known."""
    found = pinnings(f"backend shop\n{NAMED}\nserver-template t 3 x:80")
    assert found.of("shop", "web3") is None
    assert found.of("api", "web1") is None
    assert found.of("shop", "t2") is not None
    assert found.of("shop", "tx") is None


WORDS = """cookie dynamic stick on match use-server %[x] persist rdp-cookie option force-persist track web1
shop/web1 server server-template backend listen defaults from on-marked-down shutdown-sessions \n \n"""


@given(st.text() | st.lists(st.sampled_from(WORDS.split(" "))).map(" ".join))
def test_no_text_is_too_odd(text: str) -> None:
    """Whatever the text is, it says something of a server or nothing."""
    found = pinnings(text).of("shop", "web1")
    assert found is None or isinstance(found.moves, bool)
