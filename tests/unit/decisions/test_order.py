"""In which order nodes are rolled, and which one may start next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.decisions.order import Order, Spread, Waiting

SPREADS: tuple[Spread | None, ...] = (None, "zones", "within")


def order(spread: Spread | None, *nodes: str) -> Order:
    """`a1`, `b1`: nodes whose zone is their first letter."""
    return Order({name: name[0] for name in nodes}, spread)


def following(
    by: Order, waiting: Sequence[str], flying: Sequence[str], left_out: Sequence[str] = ()
) -> str | None:
    return Waiting(by, waiting).next(flying, left_out)


def sizes(nodes: Sequence[str], canary: int) -> tuple[int, ...]:
    return tuple(size for size in (min(canary, len(nodes)), max(0, len(nodes) - canary)) if size)


def arranged(spread: Spread | None, nodes: str, *, canary: int = 0, window: int = 1) -> str:
    names = nodes.split()
    return " ".join(order(spread, *names).arranged(names, waves=sizes(names, canary), window=window))


@pytest.mark.parametrize("window", [1, 2, 9])
def test_without_spread_the_order_is_the_given_one(window: int) -> None:
    """Zones that are only noted change nothing."""
    assert arranged(None, "a1 a2 b1 a3", canary=1, window=window) == "a1 a2 b1 a3"


@pytest.mark.parametrize(
    ("window", "result"),
    [
        (1, "a1 a2 a3 b1 b2 c1"),
        (2, "a1 b1 a2 b2 a3 c1"),
        (3, "a1 b1 c1 a2 b2 a3"),
        (6, "a1 b1 c1 a2 b2 a3"),
    ],
)
def test_zones_take_turns_while_a_window_is_out(window: int, result: str) -> None:
    """The next one is of a zone with the fewest out; alone in the window, any zone is as good."""
    assert arranged("zones", "a1 a2 a3 b1 b2 c1", window=window) == result


@pytest.mark.parametrize("window", [1, 2, 9])
def test_within_finishes_a_zone_first(window: int) -> None:
    """Zones come in the order in which they first appear."""
    assert arranged("within", "a1 b1 a2 c1 b2 a3", window=window) == "a1 a2 a3 b1 b2 c1"


def test_canaries_come_first() -> None:
    """They are the first ones given; what follows stays in the zone of the last of them, or avoids none."""
    assert arranged("within", "b1 a1 a2 b2", canary=1, window=2) == "b1 b2 a1 a2"
    assert arranged("within", "b1 a1 b2 a2 b3", canary=3, window=2) == "b1 b2 a1 a2 b3"
    assert arranged("zones", "b1 b2 a1 a2", canary=2, window=2) == "b1 b2 a1 a2"


def test_a_zone_is_not_begun_while_another_one_is_out() -> None:
    """With places left in the window, within waits; zones does not."""
    assert following(order("within", "a1", "b1"), ["b1"], ["a1"]) is None
    assert following(order("zones", "a1", "b1", "a2"), ["a2", "b1"], ["a1"]) == "b1"
    assert following(order("zones", "a1", "a2"), ["a2"], ["a1"]) == "a2"


def test_nodes_that_were_left_out_count_in_their_zone_and_hold_up_none() -> None:
    """Where failures are allowed, the next one avoids a zone that lost a node, and no zone waits for it."""
    assert following(order("zones", "a1", "a2", "b1"), ["a2", "b1"], [], ["a1"]) == "b1"
    assert following(order("within", "a1", "b1"), ["b1"], [], ["a1"]) == "b1"


def test_nothing_is_next_of_nothing() -> None:
    """When none waits, none starts."""
    assert [following(order(spread, "a1"), [], ["a1"]) for spread in SPREADS] == [None] * 3


@dataclass
class Run:
    """A wave carried out as a deployment does it, with nodes that are done in any order."""

    order: Order
    nodes: Sequence[str]
    window: int
    flying: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.waiting = Waiting(self.order, self.nodes)

    @property
    def left(self) -> list[str]:
        return [name for name in self.nodes if name not in self.started]

    def fill(self) -> None:
        while len(self.flying) < self.window:
            name = self.waiting.next(self.flying)
            if name is None:
                break
            self.check(name)
            self.waiting.take(name)
            self.flying.append(name)
            self.started.append(name)

    def check(self, name: str) -> None:
        zones = self.order.zones
        out = Counter(zones[one] for one in self.flying)
        if self.order.spread == "zones":
            assert out[zones[name]] == min(out[zones[other]] for other in self.left)
        if self.order.spread == "within":
            assert set(out) <= {zones[name]}


nodes_in_zones = st.lists(st.sampled_from("abcd"), max_size=12).map(
    lambda zones: [f"{zone}{number}" for number, zone in enumerate(zones)]
)


@given(
    nodes=nodes_in_zones,
    spread=st.sampled_from(SPREADS),
    canary=st.integers(0, 4),
    window=st.integers(1, 5),
    data=st.data(),
)
def test_whatever_the_nodes_take(
    nodes: list[str], spread: Spread | None, canary: int, window: int, data: st.DataObject
) -> None:
    """In whatever order nodes are done, each is rolled once, canaries first, and zones are as promised."""
    by = order(spread, *nodes)
    planned = by.arranged(nodes, waves=sizes(nodes, canary), window=window)
    assert sorted(planned) == sorted(nodes)
    assert set(planned[:canary]) == set(nodes[:canary])
    started = []
    for wave in (planned[:canary], planned[canary:]):
        run = Run(by, wave, window)
        run.fill()
        while run.flying:
            run.flying.remove(data.draw(st.sampled_from(run.flying)))
            run.fill()
        assert not run.left
        assert not run.waiting
        if spread == "within":
            zones = [name[0] for name in run.started]
            changes = sum(one != other for one, other in pairwise(zones))
            assert not zones or changes == len(set(zones)) - 1
        started += run.started
    assert sorted(started) == sorted(nodes)
    if spread != "zones":
        assert tuple(started) == planned


@given(
    nodes=nodes_in_zones, spread=st.sampled_from(SPREADS), canary=st.integers(0, 4), window=st.integers(1, 5)
)
def test_what_is_planned_is_what_happens(
    nodes: list[str], spread: Spread | None, canary: int, window: int
) -> None:
    """When nodes are done in the order in which they started, the planned order is carried out; and arranging
    it once more, as a deployment that goes on does, changes nothing."""
    by = order(spread, *nodes)
    planned = by.arranged(nodes, waves=sizes(nodes, canary), window=window)
    started = []
    for wave in (planned[:canary], planned[canary:]):
        run = Run(by, wave, window)
        run.fill()
        while run.flying:
            run.flying.pop(0)
            run.fill()
        started += run.started
    assert tuple(started) == planned
    assert by.arranged(planned, waves=sizes(nodes, canary), window=window) == planned
