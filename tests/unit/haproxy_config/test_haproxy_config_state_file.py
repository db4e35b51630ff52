"""Where a configuration has HAProxy load the states of servers from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.haproxy_config.state_file import state_file

GLOBAL = "global\n  server-state-file /run/states\n"
LOADED = "defaults\n  load-server-state-from-file global\nbackend shop\n  server web1 10.0.0.11:80\n"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (GLOBAL + LOADED, "/run/states"),
        (LOADED + GLOBAL, "/run/states"),
        (GLOBAL + "listen shop\n  load-server-state-from-file global\n", "/run/states"),
        (LOADED + "global\n  server-state-base /var/lib\n  server-state-file states\n", "/var/lib/states"),
        (LOADED + "global\n  server-state-base /var/lib\n  server-state-file /run/states\n", "/run/states"),
        (LOADED + "global\n  server-state-base /var/lib\n", None),
        (GLOBAL, None),
        (LOADED, None),
        (GLOBAL + "backend shop\n  load-server-state-from-file local\n", None),
        (GLOBAL + LOADED + "  load-server-state-from-file none\n", None),
        (LOADED + "global\n  server-state-file states\n", None),
        (LOADED + 'global\n  server-state-file "${STATES}"\n', None),
        (LOADED + 'global\n  server-state-file "/run/$STATES"\n', None),
        (LOADED + "global\n  server-state-file\n", None),
    ],
)
def test_where_it_is(text: str, path: str | None) -> None:
    """Both a file and a backend that loads it are needed; a path that is not known as a whole is none."""
    assert state_file(text) == path


@given(
    st.text()
    | st.text(alphabet="/ \n\"'")
    | st.lists(st.sampled_from((GLOBAL + LOADED).split())).map(" ".join)
)
def test_any_text(text: str) -> None:
    """No configuration raises."""
    state_file(text)
