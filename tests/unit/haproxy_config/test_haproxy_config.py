"""What is said of an HAProxy configuration before it is rolled behind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.haproxy_config import Finding, Severity, analyse
from rollout.haproxy_config.configuration import read

GOOD = """
global
    log /dev/log local0
    stats socket /run/haproxy/admin.sock mode 660 level admin
    stats socket /run/haproxy/monitor.sock mode 666 level user
    server-state-file /var/lib/haproxy/state

defaults
    mode http
    option redispatch
    option httpchk GET /_status
    http-check disable-on-404
    load-server-state-from-file global
    timeout connect 5s
    timeout client  50s
    timeout server  50s

frontend www
    bind :80
    default_backend  shop

backend shop
    balance roundrobin
    default-server inter 500ms check
    server web1 10.0.0.11:8000
    server web2 10.0.0.12:8000
"""


def said(text: str, backends: list[str] | None = None, *, health_page: bool = False) -> list[str]:
    """Each finding as `severity line backend: message`."""
    found = analyse(text, "haproxy.cfg", backends, health_page=health_page)
    return [f"{each.severity} {each.line} {each.backend}: {each.message}" for each in found]


def the(found: list[str]) -> str:
    """The only one."""
    assert len(found) == 1, found
    return found[0]


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize("health_page", [False, True])
def test_a_good_configuration_gets_no_word(health_page: bool) -> None:
    """Where nothing loses requests or time, nothing is said."""
    assert said(GOOD, health_page=health_page) == []


def test_a_finding_says_where_what_and_what_to_do() -> None:
    """Every part of a finding is there, with the file as it was named."""
    text = GOOD.replace("option redispatch", "retries 0")
    assert analyse(text, "/etc/haproxy/haproxy.cfg")[0] == Finding(
        Severity.NOTE,
        "/etc/haproxy/haproxy.cfg",
        line_of(text, "retries 0"),
        "shop",
        "`retries 0`: if a node dies without being drained, all requests that HAProxy sends there are lost "
        "until its checks have failed",
        "remove it (HAProxy's default is 3), and write `option redispatch`",
    )


@pytest.mark.parametrize(
    ("change", "to", "severity", "at", "message"),
    [
        ("inter 500ms check", "inter 500ms", "warning", "server web1", "web1, web2 without `check`"),
        ("option redispatch", "option redispatch\nretries 0", "note", "retries 0", "`retries 0`"),
        (
            "balance roundrobin",
            "option persist",
            "warning",
            "option persist",
            "`option persist` keeps pinned",
        ),
        (
            "balance roundrobin",
            "force-persist if LOCAL",
            "warning",
            "force-persist",
            "`force-persist if LOCAL`",
        ),
        ("500ms check", "500ms check agent-check", "note", "server web1", "with `agent-check`"),
        ("500ms check", "500ms check slowstart 30s", "note", "server web1", "with `slowstart 30s`"),
        ("balance roundrobin", "stick on src", "note", "stick on", "clients are pinned"),
        ("balance roundrobin", "cookie SRV insert dynamic", "note", "cookie SRV", "clients are pinned"),
        ("inter 500ms check", "check", "note", "server web1", "web1 with a check every 2 s"),
        ("inter 500ms", "inter 1m", "note", "server web1", "waits up to 60 s"),
        ("inter 500ms", "inter 3000", "note", "server web1", "waits up to 3 s"),
        ("inter 500ms", "inter 5s fastinter 100ms downinter 100ms", "note", "server web1", "waits up to 5 s"),
        ("mode http", "mode tcp", "note", "mode tcp", "`mode tcp`"),
        ("mode http", "", "note", "backend shop", "`mode tcp`"),
        ("level admin", "level operator", "warning", "stats socket", "no `stats socket` has `level admin`"),
        ("level admin", "", "warning", "stats socket", "no `stats socket` has `level admin`"),
        (
            "500ms check",
            "500ms check on-marked-down shutdown-sessions",
            "note",
            "server web1",
            "maintenance and DOWN cut running requests",
        ),
    ],
)
def test_each_setting_is_found_where_it_stands(
    change: str, to: str, severity: str, at: str, message: str
) -> None:
    """One setting that hurts gives one finding, at the line where it stands or is missed."""
    text = GOOD.replace(change, to)
    found = the(said(text))
    assert found.startswith(f"{severity} {line_of(text, at)} ")
    assert message in found


@pytest.mark.parametrize(
    ("change", "to"),
    [
        (
            "inter 500ms check",
            "inter 500ms\n    server web0 10.0.0.10:8000 track shop/web1\n    default-server check",
        ),
        ("option redispatch", ""),
        ("500ms check", "500ms check slowstart 0"),
        ("500ms check", '"${INTER}" check'),
        ("inter 500ms check", '"${CHECKS[*]}"'),
        ("500ms check", "500ms check agent-check no-agent-check"),
        ("balance roundrobin", "cookie SRV insert indirect"),
        ("balance roundrobin", "stick-table type ip size 1m expire 10m store conn_cur"),
        ("balance roundrobin", "option persist\n    no option persist"),
        ("balance roundrobin", "retries 0\n    retries 2"),
        ("balance roundrobin", "# retries 0"),
        ("balance roundrobin", 'http-request set-header X "retries 0\\" # no comment"'),
    ],
)
def test_what_only_looks_bad_is_left_alone(change: str, to: str) -> None:
    """Later lines, comments, quotes, and settings that have no effect are read as HAProxy reads them."""
    assert said(GOOD.replace(change, to)) == []


@pytest.mark.parametrize(
    ("change", "to", "severity", "message"),
    [
        ("option httpchk GET /_status", "", "warning", "no `option httpchk`"),
        ("http-check disable-on-404", "", "note", "up to 1.5 s after its page answers 404"),
        ("balance roundrobin", "stick on src", "warning", "one that is out by `disable-on-404` still gets"),
        ("500ms check", "2s check downinter 100ms", "note", "waits up to 2.1 s"),
        ("500ms check", "1s check downinter 4s fastinter 200ms rise 4", "note", "waits up to 4.6 s"),
        ("500ms check", "500ms check on-marked-down shutdown-sessions", "note", "maintenance and DOWN cut"),
    ],
)
def test_draining_by_the_health_page_needs_more(change: str, to: str, severity: str, message: str) -> None:
    """What matters where HAProxy only learns from its check that a node leaves."""
    found = the(said(GOOD.replace(change, to), health_page=True))
    assert found.startswith(severity)
    assert message in found


def test_leaving_by_the_page_takes_so_many_checks() -> None:
    """The time until DOWN is told from `inter`, `fastinter` and `fall`."""
    text = GOOD.replace("http-check disable-on-404", "").replace("500ms", "1s fastinter 200ms fall 6 rise 1")
    assert "up to 2 s after" in the(said(text, health_page=True))


def test_leaving_by_the_page_must_not_cut_requests() -> None:
    """Without disable-on-404 the page makes a server DOWN, and that ends what runs if it is told to."""
    text = GOOD.replace("http-check disable-on-404", "")
    text = text.replace("500ms check", "500ms check on-marked-down shutdown-sessions")
    assert any(
        "draining by the health page cuts running requests" in each for each in said(text, health_page=True)
    )


def test_the_page_needs_no_socket() -> None:
    """A socket that cannot drain is no matter where the page does."""
    assert said(GOOD.replace("level admin", "level user"), health_page=True) == []


@pytest.mark.parametrize(
    ("check", "found"),
    [
        ("option tcp-check", 0),
        ("option external-check", 0),
        ("option redis-check", 1),
        ("no option httpchk", 1),
    ],
)
def test_other_checks_than_http(check: str, found: int) -> None:
    """Rules or a program of the site's own may ask for the page; other checks, and none, never do."""
    text = GOOD.replace("balance roundrobin", check)
    assert len([each for each in said(text, health_page=True) if "no `option httpchk`" in each]) == found


def test_a_slow_start_is_no_matter_where_the_next_node_waits_for_it() -> None:
    """The finding asks for a bake, so it is silent where the inventory has one that is long enough."""
    text = GOOD.replace("500ms check", "500ms check slowstart 30s")
    assert [len(analyse(text, "f", bake=seconds)) for seconds in (0.0, 29.0, 30.0)] == [1, 1, 0]


def test_other_sections_have_no_servers_of_a_backend() -> None:
    """Peers, rings and programs end a backend, and their `server` lines are none of its own."""
    others = "peers p\n  server me 10.0.0.1:1\nring r\n  server log 10.0.0.2:1\nprogram x\n  command /bin/y\n"
    assert said(GOOD + others) == []


def test_the_latest_defaults_count() -> None:
    """A section that names none inherits from the last `defaults`, whether that has a name or not."""
    lines = ("defaults", "mode http", "defaults slow", "mode tcp", "backend b", "server s 1.1.1.1:1 check")
    assert any("`mode tcp`" in each for each in said("\n".join(lines)))


def test_only_our_backends_are_looked_at() -> None:
    """What other services behind the same HAProxy do is not ours to judge."""
    other = f"{GOOD}\nbackend blog\n    retries 0\n    server b1 10.0.0.21:80\n"
    assert {each.backend for each in analyse(other, "f")} == {"blog"}
    assert said(other, ["shop"]) == []
    assert said(other, []) == []


def test_a_backend_without_servers_is_no_matter() -> None:
    """Frontends and backends that only redirect have nothing to roll."""
    assert said("defaults\n  mode http\nfrontend f\n  bind :80\nbackend b\n  redirect location /\n") == []


def test_many_servers_are_one_finding() -> None:
    """What all servers of a backend share is said once."""
    text = (
        GOOD.replace("500ms check", "500ms")
        + "    server web3 10.0.0.13:8000\n    server web4 10.0.0.14:8000\n"
    )
    assert the(said(text)).count("web1, web2 and 2 more without `check`") == 1


def test_defaults_are_taken_from_where_a_section_says() -> None:
    """A section inherits from the defaults it names, else from the last before it, and so on upwards."""
    text = """
defaults base
    mode http
    option redispatch
    load-server-state-from-file global
    default-server check inter 1s
global
    server-state-file /states
defaults fragile from base
    retries 0
listen a from base
    server s 127.0.0.1:1
listen b
    server s 127.0.0.1:1
listen c from nowhere
    server s 127.0.0.1:1
"""
    assert [(each.backend, each.line, each.also) for each in analyse(text, "f")] == [("b", 10, ((10, "c"),))]


def test_templates_are_servers_too() -> None:
    """`server-template` is judged like `server`."""
    text = GOOD.replace("500ms check", "500ms").replace("server web1 ", "server-template web 1-5 ")
    assert "web1-5, web2 without `check`" in the(said(text))


def test_words_are_split_as_haproxy_splits_them() -> None:
    """Quotes of both kinds, escapes and comments."""
    section = read("""backend b\n  a "b c" 'd "e' f\\ g h"i j"k \\# l#m n\n""")[0]
    assert section.lines[0].words == ("a", "b c", 'd "e', "f g", "hi jk", "#", "l")


ODDITIES = """from server-template no-check track shop/web1 fall fastinter downinter 1s 99999999999999
cookie stick on retries 0 tcp agent-check slowstart on-marked-down shutdown-sessions none force-persist
no persist ${X} ٣ # " ' \\"""


@given(
    st.text() | st.lists(st.sampled_from([*GOOD.split(), *ODDITIES.split(), *"\n\n\n"])).map(" ".join),
    st.booleans(),
)
def test_no_text_is_too_odd(text: str, health_page: bool) -> None:
    """Whatever the text is, every finding names one of its lines."""
    lines = text.count("\n") + 1
    assert all(1 <= each.line <= lines for each in analyse(text, "f", health_page=health_page))
