"""How often HAProxy checks each server, by its configuration."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rollout.haproxy_config.intervals import Checks, checks

CONFIGURATION = """\
defaults
  default-server inter 5s
backend shop
  server web1 10.0.0.1:80 check
  server web2 10.0.0.2:80 check inter 500ms rise 5 fall 1
  server-template slot 3 shop.test:80 check inter 30s
backend api
  default-server inter 750 rise 1
  server-template api 2-3 api.test:80 check
  server unknown 10.0.0.1:80 check inter $INTER
frontend web
  bind :80
listen both
  server web1 10.0.0.1:80 check inter 1m
"""


def test_every_server_has_its_own() -> None:
    """With its defaults, those of its section and of `defaults`; a template names several servers.

    Where a variable of HAProxy decides, nobody knows.
    """
    assert checks(CONFIGURATION) == {
        "shop/web1": Checks(5.0, 2, 3),
        "shop/web2": Checks(0.5, 5, 1),
        **{f"shop/slot{number}": Checks(30.0, 2, 3) for number in (1, 2, 3)},
        **{f"api/api{number}": Checks(0.75, 1, 3) for number in (2, 3)},
        "both/web1": Checks(60.0, 2, 3),
    }


@given(st.text())
def test_no_text_raises(text: str) -> None:
    """Whatever a line says."""
    checks(f"backend a\n server-template {text}\n server {text}\n{text}")
