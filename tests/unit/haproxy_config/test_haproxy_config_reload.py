"""What is said of a reload of HAProxy while a node is down."""

from __future__ import annotations

import pytest

from rollout.haproxy_config import Finding, Severity, analyse
from rollout.haproxy_config.reload_rules import heeds_init_state

KEPT = """
global
  server-state-file /run/states
defaults
  mode http
  option httpchk
  http-check disable-on-404
  load-server-state-from-file global
backend shop
  default-server check inter 500ms
  server web1 10.0.0.11:8000
  server web2 10.0.0.12:8000
"""
REDISPATCH = ("mode http", "mode http\n  option redispatch")


def found(*changes: tuple[str, str], health_page: bool = False, version: str = "") -> list[Finding]:
    text = KEPT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return analyse(text, "haproxy.cfg", health_page=health_page, version=version)


def test_a_file_that_rollout_keeps_is_enough() -> None:
    """Nothing can be lost, so nothing is said, also without `option redispatch`."""
    assert found() == []


@pytest.mark.parametrize(
    ("change", "line", "reason"),
    [
        (("load-server-state-from-file global", ""), 9, "HAProxy loads no state file:"),
        (("from-file global", "from-file none"), 8, "HAProxy loads no state file:"),
        (("server-state-file /run/states", ""), 8, "since `global` has no `server-state-file`:"),
        (("server-state-file /run/states", "server-state-base /run"), 8, "has no `server-state-file`:"),
        (("/run/states", "states"), 8, "loads `server-state-file states`, which rollout cannot find:"),
        (
            ("/run/states", '"$RUN/states"'),
            8,
            "`server-state-file $RUN/states`, which rollout cannot find:",
        ),
        (("file global", "file local"), 8, "from-file local` loads files that rollout does not write:"),
    ],
)
def test_any_other_file_is_none(change: tuple[str, str], line: int, reason: str) -> None:
    """One note says why no state is kept, what that costs and for how long, and the lines to write."""
    (note,) = found(change)
    assert (note.severity, note.line) == (Severity.NOTE, line)
    assert (
        f"{reason} if HAProxy is reloaded while a node is down, its new process sends requests"
        in note.message
    )
    assert note.message.endswith("for up to 0.2 s, until rollout has told it; they fail")
    assert "`server-state-file /var/lib/haproxy/state/servers` in `global`" in note.advice
    assert "`load-server-state-from-file global` in `defaults`" in note.advice
    assert note.advice.endswith("or write `option redispatch`: refused requests go to another server")


@pytest.mark.parametrize(
    ("retries", "spared"), [("", True), ("\n  retries 3", True), ("\n  retries 0", False)]
)
def test_redispatch_spares_most(retries: str, spared: bool) -> None:
    """With `option redispatch` refused requests are no loss, unless HAProxy may not try again."""
    old, new = REDISPATCH
    *_, note = found(("load-server-state-from-file global", ""), (old, new + retries))
    assert ("those that are refused go to another server" in note.message) is spared
    assert ("option redispatch" in note.advice) is not spared


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("load-server-state-from-file global", ""), True),
        (("server-state-file /run/states", ""), True),
        (("load-server-state-from-file global", "load-server-state-from-file local"), False),
        (("server-state-file /run/states", "server-state-file states"), False),
    ],
)
def test_drained_by_the_page_only_a_check_finds_out(change: tuple[str, str], said: bool) -> None:
    """rollout tells HAProxy nothing there and writes no file; one that a site's own reload writes is good."""
    notes = found(change, health_page=True)
    assert bool(notes) is said
    if said:
        assert "for up to 0.5 s, until a check has failed" in notes[0].message
        assert "save `show servers state` there right before each reload" in notes[0].advice


DOWN = ("inter 500ms", "inter 500ms init-state down")
NO_FILE = ("load-server-state-from-file global", "")


@pytest.mark.parametrize(
    ("version", "heeded"),
    [
        ("3.1.9", False),
        ("3.2.19-1", False),
        ("3.2.20", True),
        ("3.2.26-1~deb13", True),
        ("3.3.1", False),
        ("3.4.0", True),
        ("4.0", True),
        ("3", False),
        ("", False),
    ],
)
def test_init_state_counts_where_it_is_heeded(version: str, heeded: bool) -> None:
    """The running version decides, not the configuration's text: where it is heeded, its price is said, and
    where it may be ignored, that it is no help."""
    assert heeds_init_state(version) is heeded
    (note,) = found(DOWN, NO_FILE, version=version)
    if heeded:
        assert "the backend answers 503 until first checks have passed, up to 0.5 s" in note.message
    else:
        assert (
            f"HAProxy {version or 'before 3.2.20'}, with `init-state down`, may ignore that" in note.message
        )
        assert "its new process sends requests there" in note.message


@pytest.mark.parametrize("version", ["3.1.9", "3.2.26"])
def test_init_state_needs_a_check(version: str) -> None:
    """A server that is DOWN until a check passes, and has none, never comes back."""
    warning = found(DOWN, ("check inter", "inter"), version=version)[1]
    assert warning.severity is Severity.WARNING
    assert warning.message.startswith("web1, web2 with `init-state down` but without `check`: HAProxy never")


def test_init_state_up_is_no_matter() -> None:
    """What HAProxy does anyway changes nothing."""
    assert found(("inter 500ms", "inter 500ms init-state up"), version="3.2.26") == []
