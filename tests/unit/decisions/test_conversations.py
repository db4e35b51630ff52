"""Which connections of a node may carry a request, by what its kernel shows of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.decisions.conversations import Conversations, parse_connections


def shown(
    peer: str = "10.0.0.1:1",
    *,
    queues: str = "0 0",
    sent_ago: int,
    received_ago: int,
    acked_ago: int | None = None,
    sent: int = 5000,
    received: int = 2000,
    segments: int = 20,
    more: str = "",
) -> list[str]:
    """A connection as `ss -Htni` prints it; times are in milliseconds. The last answer was acknowledged 40 ms
    after it was sent, unless it is said otherwise."""
    acked = max(0, min(sent_ago, received_ago) - 40) if acked_ago is None else acked_ago
    told = {"lastsnd": sent_ago, "lastrcv": received_ago, "lastack": acked, "bytes_sent": sent}
    told |= {"bytes_received": received, "data_segs_in": segments}
    about = " ".join(f"{name}:{number}" for name, number in told.items() if number)
    return [f"{queues} 10.0.0.11:8000 {peer}", f"\t cubic wscale:7,7 rto:204 {about} {more}"]


def busy(lines: list[str]) -> bool:
    """Whether a connection may carry a request, by one look."""
    return bool(Conversations().look(parse_connections(lines), 100.0))


KEPT = shown(sent_ago=2000, received_ago=2010)


@pytest.mark.parametrize(
    ("lines", "may_carry_a_request"),
    [
        (KEPT, False),
        (shown(sent_ago=2010, received_ago=2000), True),
        (shown(sent_ago=1000, received_ago=1010), True),
        (shown(sent_ago=2000, received_ago=2010, queues="1 0"), True),
        (shown(sent_ago=2000, received_ago=2010, queues="0 1"), True),
        (shown(sent_ago=2000, received_ago=2010, more="unacked:1"), True),
        (shown(sent_ago=2000, received_ago=2010, more="notsent:9"), True),
        (shown(sent_ago=2000, received_ago=2000), False),
        (shown(sent_ago=2000, received_ago=2000, sent=0, received=90, segments=1), True),
        (shown(sent_ago=2000, received_ago=2000, sent=0, received=0, segments=0), False),
        (shown(sent_ago=70_000, received_ago=70_010), True),
        (KEPT[:1], True),
    ],
    ids=[
        "the node spoke last",
        "the client spoke last",
        "something moved a moment ago",
        "bytes to be read",
        "bytes to be sent",
        "bytes to be acknowledged",
        "bytes that do not fit into the window",
        "at the same tick, and the answer was acknowledged later",
        "a first request",
        "a connection without any word",
        "a tunnel that was silent for long",
        "the kernel tells nothing",
    ],
)
def test_by_one_look(lines: list[str], may_carry_a_request: bool) -> None:
    """What the kernel shows at one moment."""
    assert busy(lines) is may_carry_a_request


class Watch:
    """A watch in which several looks follow each other."""

    def __init__(self) -> None:
        self._conversations = Conversations()

    def look(self, at: float, *connections: list[str]) -> int:
        """How many connections may carry a request at the second `at`."""
        lines = [line for connection in connections for line in connection]
        return len(self._conversations.look(parse_connections(lines), at))


def test_an_answer_that_pauses() -> None:
    """A silence must be longer than those after which a node went on, on whatever connection."""
    watch = Watch()
    assert watch.look(10.0, shown(sent_ago=2900, received_ago=3000)) == 0
    assert watch.look(10.25, shown(sent_ago=100, received_ago=3250, sent=5100)) == 1
    other = "10.0.0.1:2"
    assert watch.look(13.0, shown(other, sent_ago=3000, received_ago=3010)) == 1
    assert watch.look(14.0, shown(other, sent_ago=4000, received_ago=4010)) == 0


def test_a_websocket_that_talks() -> None:
    """Where the client speaks again after a silence, a silence must be longer, on that connection."""
    watch = Watch()
    watch.look(10.0, shown(sent_ago=2900, received_ago=3000))
    again = shown(sent_ago=100, received_ago=110, sent=5100, received=2020)
    assert watch.look(10.25, again) == 1
    quiet = shown(sent_ago=3000, received_ago=3010, sent=5100, received=2020)
    assert watch.look(13.15, quiet, shown("10.0.0.1:2", sent_ago=2000, received_ago=2010)) == 1
    later = shown(sent_ago=4000, received_ago=4010, sent=5100, received=2020)
    assert watch.look(14.15, later) == 0


def test_what_the_clock_is_too_coarse_for() -> None:
    """An answer and the next request at the same tick: it may run for as long as any request was seen to."""
    watch = Watch()
    unclear = {"acked_ago": 1600, "sent_ago": 1600, "received_ago": 1600}
    running = shown("10.0.0.1:2", sent_ago=9000, received_ago=3000)
    assert watch.look(10.0, shown(**unclear), running) == 2
    later = {name: ago + 2000 for name, ago in unclear.items()}
    answered = shown("10.0.0.1:2", sent_ago=1900, received_ago=5000, sent=5100)
    assert watch.look(12.0, shown(**later), answered) == 0
    assert watch.look(12.0, shown(sent_ago=2000, received_ago=2000, acked_ago=2000)) == 1


def test_a_request_at_the_same_tick_that_was_answered() -> None:
    """Once the node has spoken, and the client has not, the connection carries no request."""
    watch = Watch()
    assert watch.look(10.0, shown(sent_ago=900, received_ago=900, acked_ago=900)) == 1
    answered = shown(sent_ago=100, received_ago=4900, sent=5100)
    assert watch.look(14.0, answered) == 1
    assert watch.look(15.6, shown(sent_ago=1700, received_ago=6500, sent=5100)) == 0


def test_the_first_request_over_tls() -> None:
    """The node's tickets may come after the first request: its last word may be no answer."""
    watch = Watch()
    running = shown("10.0.0.1:2", sent_ago=9000, received_ago=4000)
    fresh = shown(sent_ago=2000, received_ago=2010, segments=3)
    assert watch.look(10.0, fresh, running) == 2
    assert watch.look(10.0, shown(sent_ago=5000, received_ago=5010, segments=3), running) == 1


def test_another_connection_with_the_same_ends() -> None:
    """A port that is used again has no past."""
    watch = Watch()
    assert watch.look(10.0, shown(sent_ago=90_000, received_ago=90_010)) == 1
    assert watch.look(12.0, shown(sent_ago=1600, received_ago=1610, sent=70, received=40, segments=1)) == 0


@given(st.lists(st.text(), max_size=6), st.lists(st.text(), max_size=6))
def test_no_output_is_too_odd(first: list[str], second: list[str]) -> None:
    """Whatever is printed, a line that is not indented is a connection, and unknown ones count."""
    watch = Conversations()
    for lines in (first, second):
        for left in watch.look(parse_connections(lines), 1.0):
            assert left.shown.strip()
