"""Reading replies: what 2.6 and 3.0 really answered, the same mutilated, and anything else.

Whatever comes, it is a reading or one of the errors of a load balancer.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.adapters.haproxy.replies import (
    parse_level,
    parse_loads,
    parse_reading,
    parse_states,
    require_success,
)
from rollout.domain import AdminState
from rollout.errors import CommandRejected, LoadBalancerError, LoadBalancerUnreachable

COMMAND = "show info;show servers state;show stat -1 6 -1"
REPLIES = {file.stem: file.read_text() for file in sorted((Path(__file__).parent / "replies").glob("*.txt"))}

replies = st.sampled_from(sorted(REPLIES.values()))


@pytest.mark.parametrize("version", REPLIES)
def test_a_real_reply(version: str) -> None:
    """A captured reply is read to the last field, with HAProxy's numbers of the backends."""
    shown = parse_reading("lb1", COMMAND, REPLIES[version])
    reading, numbers = shown.reading, shown.numbers
    assert reading.version.startswith(version)
    assert list(numbers) == ["shop", "api", "v6"]
    assert {state.server.path: (state.status, int(state.admin)) for state in reading.servers} == {
        "shop/web1": ("DOWN", 0),
        "shop/web2": ("UP 1/3", 0),
        "shop/web3": ("MAINT", 5),
        "api/web1": ("DOWN", 0),
        "api/web2": ("DRAIN (agent)", AdminState.FORCED_DRAIN),
        "v6/six": ("MAINT", AdminState.FORCED_MAINT),
        "v6/unix1": ("no check", 0),
    }
    assert [state.address for state in reading.servers][-2:] == ["::1", "-"]
    assert reading.queued == {"shop": 0, "api": 0, "v6": 0}


def test_checks_and_agents_that_are_disabled() -> None:
    """Configured is not enabled: after `disable health` and `disable agent` HAProxy asks nobody."""
    for reply in REPLIES.values():
        reading = parse_reading("lb1", COMMAND, reply).reading
        asked = {state.server.path: state for state in reading.servers}
        assert (asked["shop/web1"].checked, asked["shop/web1"].check_disabled) == (True, False)
        assert (asked["shop/web3"].checked, asked["shop/web3"].check_disabled) == (True, False)  # paused
        assert (asked["api/web2"].agent_checked, asked["api/web2"].agent_disabled) == (True, False)
        assert (asked["api/web1"].checked, asked["api/web1"].check_disabled) == (False, False)
        for disabled in ("2", "10"):
            changed = re.sub(r"( shop 1 web1 (?:\S+ ){9})6 ", rf"\g<1>{disabled} ", reply)
            changed = re.sub(r"( api 2 web2 (?:\S+ ){10})\d+ ", r"\g<1>18 ", changed)
            reading = parse_reading("lb1", COMMAND, changed).reading
            asked = {state.server.path: state for state in reading.servers}
            assert (asked["shop/web1"].checked, asked["shop/web1"].check_disabled) == (False, True)
            assert (asked["api/web2"].agent_checked, asked["api/web2"].agent_disabled) == (False, True)


def test_a_host_name_where_haproxy_shows_one() -> None:
    """The name and the SRV record of a server; none where it is configured by its address, or not shown."""
    for reply in REPLIES.values():
        row = r"( shop 1 web1 (?:\S+ ){13})- (\d+) -"
        named = re.sub(row, r"\g<1>web1.internal \g<2> _http._tcp.internal", reply)
        reading = parse_reading("lb1", COMMAND, named).reading
        assert (reading.servers[0].hostname, reading.servers[0].srv_record) == (
            "web1.internal",
            "_http._tcp.internal",
        )
        assert (reading.servers[1].hostname, reading.servers[1].srv_record) == ("", "")
        reading = parse_reading("lb1", COMMAND, reply.replace("srv_fqdn", "other")).reading
        assert reading.servers[0].hostname == ""


@given(reply=replies, data=st.data())
def test_a_reply_that_ends_too_soon(reply: str, data: st.DataObject) -> None:
    """No part of a reply is taken for the whole, wherever it was cut."""
    # What is shorter than this might be anybody's.
    end = data.draw(st.integers(min_value=len("\nName: "), max_value=len(reply) - 1))
    with pytest.raises(LoadBalancerUnreachable):
        parse_reading("lb1", COMMAND, reply[:end])


@given(reply=replies, data=st.data())
def test_a_reply_with_other_text_in_it(reply: str, data: st.DataObject) -> None:
    """A reply in which some text was replaced is read, or is an error of the load balancer."""
    start = data.draw(st.integers(0, len(reply)))
    length = data.draw(st.integers(0, 300))
    text = data.draw(st.text(max_size=20) | st.text(alphabet='",\n\r# 0123456789-', max_size=20))
    with contextlib.suppress(LoadBalancerError):
        parse_reading("lb1", COMMAND, reply[:start] + text + reply[start + length :])


@given(reply=replies, data=st.data())
def test_a_reply_with_a_line_gone_or_doubled(reply: str, data: st.DataObject) -> None:
    """A reply whose lines were dropped, doubled or moved is read, or is an error of the load balancer."""
    lines = reply.split("\n")
    one, two = (data.draw(st.integers(0, len(lines))) for _ in range(2))
    with contextlib.suppress(LoadBalancerError):
        parse_reading("lb1", COMMAND, "\n".join(lines[:one] + lines[two:]))


@given(reply=replies, data=st.data())
def test_a_field_with_any_value(reply: str, data: st.DataObject) -> None:
    """A row in which a field holds something unheard of is read, or is an error of the load balancer."""
    lines = reply.split("\n")
    rows = [number for number, line in enumerate(lines) if line.startswith(("shop,", "2 shop", "3 shop"))]
    row = data.draw(st.sampled_from(rows))
    separator = "," if "," in lines[row] else " "
    fields = lines[row].split(separator)
    field = data.draw(st.integers(0, len(fields) - 1))
    fields[field] = data.draw(st.text(max_size=5) | st.integers().map(str) | st.floats().map(str))
    lines[row] = separator.join(fields)
    with contextlib.suppress(LoadBalancerError):
        parse_reading("lb1", COMMAND, "\n".join(lines))


@given(text=st.text() | st.text(alphabet="[]0123456789: \nuserName#,1be_id px"))
def test_anything(text: str) -> None:
    """Text of any kind is a reading, a level, a success, or an error of the load balancer."""
    for read in (
        lambda: parse_reading("lb1", COMMAND, text),
        lambda: parse_level("lb1", text),
        lambda: require_success("lb1", "set server a/b state drain", text),
        lambda: parse_loads("lb1", text),
        lambda: parse_states("lb1", text),
    ):
        with contextlib.suppress(LoadBalancerError):
            read()


@given(count=st.integers(1, 50), lines=st.integers(0, 60))
def test_every_command_must_be_confirmed(count: int, lines: int) -> None:
    """Success is one empty line for each command, and one for the severity; fewer is an answer cut short."""
    command = ";".join(["set server shop/web1 state drain"] * count)
    if lines > count:
        require_success("lb1", command, "\n" * lines)
    else:
        with pytest.raises(LoadBalancerUnreachable):
            require_success("lb1", command, "\n" * lines)


def test_a_missing_counter_is_not_zero() -> None:
    """A row without its session counts is an error, not an idle server."""
    for reply in REPLIES.values():
        parse_reading("lb1", COMMAND, reply)
        row = next(line for line in reply.split("\n") if line.startswith("shop,web1,"))
        with pytest.raises(LoadBalancerError, match="could not be read"):
            parse_reading("lb1", COMMAND, reply.replace(row, ",".join(row.split(",")[:4])))
        with pytest.raises(LoadBalancerError, match="could not be read"):
            parse_reading("lb1", COMMAND, reply.replace(",scur,", ",other,"))


@pytest.mark.parametrize("status", ["no,check", "no\rcheck", "x" * 200_000])
def test_a_row_that_is_no_row(status: str) -> None:
    """A row whose fields are shifted, broken, or endless is an error, not a server in some other state."""
    for reply in REPLIES.values():
        with pytest.raises(LoadBalancerError, match="could not be read"):
            parse_reading("lb1", COMMAND, reply.replace("no check", status))


def test_a_dying_process_is_no_refusal() -> None:
    """What a process says that was replaced by a reload means: ask again."""
    with pytest.raises(LoadBalancerUnreachable, match="stopped or replaced"):
        require_success("lb1", "set server a/b state maint", "\n[3]: Proxy is disabled.\n\n")
    for reply in REPLIES.values():
        with pytest.raises(LoadBalancerUnreachable, match="stopped or replaced"):
            parse_reading("lb1", COMMAND, reply.replace("Stopping: 0", "Stopping: 1"))


@pytest.mark.parametrize("version", REPLIES)
def test_loads_and_states_alone(version: str) -> None:
    """An old worker shows a load for each server; a state file gets all that is shown, and no part of it."""
    _, states, stats = REPLIES[version].strip("\n").split("\n\n")
    assert parse_loads("lb1", f"{stats}\n\n")["api/web2"] == 0
    assert parse_states("lb1", f"\n{states}\n\n") == f"{states}\n\n"
    for end in range(len(states)):
        with pytest.raises(LoadBalancerUnreachable):
            parse_states("lb1", states[:end])
    with pytest.raises(CommandRejected):
        parse_states("lb1", "\n[3]: Permission denied\n\n")


def test_a_refused_reading() -> None:
    """A socket that may not even show its state says so."""
    with pytest.raises(CommandRejected, match="Permission denied"):
        parse_reading("lb1", COMMAND, "\n[3]: Permission denied\n\n")
