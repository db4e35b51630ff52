"""A claim waits for what others left on a node, ends what is over its time, and says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from rollout.domain import Completed
from rollout.engine import claim as claims
from rollout.engine.claim import Claim, claim_all
from rollout.errors import HostUnreachable, NodeBusy, Refused
from rollout.ports import Host
from rollout.remote import notes


def runs(
    age: int, timeout: int = 60, *, step: str = "release", detached: str = "", state: str = "runs"
) -> str:
    """A line of what a node shows: a command whose shell runs, unless it was `ended` or left its session."""
    group = "" if detached or state == "ended" else "4711 sh,"
    about = f"alice on laptop\t{step}\t17"
    return f"{state}\t/notes/1\t{age}\t60\t{group}\t{detached}\t{about}"


class Node:
    """A node that shows one after another of what it is given, then nothing; `None` is one out of reach."""

    def __init__(self, name: str, *shown: str | None) -> None:
        self.name = name
        self.shown: Sequence[str | None] = shown
        self.asked: list[Mapping[str, str]] = []
        self.ended: list[str] = []

    async def run(self, line: str, *, environment: Mapping[str, str], **_: Any) -> Completed:
        if line == notes.END:
            self.ended.append(environment["ROLLOUT_ENDED"])
            return Completed(0)
        self.asked.append(environment)
        first, *self.shown = self.shown or ("",)
        if first is None:
            raise HostUnreachable(self.name, "no route")
        return Completed(0, (first,) if first else ())


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_LOOK_AGAIN", 0.0)


def claim(node: Node) -> Claim:
    return Claim(cast(Host, node), f"shop/{node.name}", "bob on desk")


async def settled(node: Node, *, returning: bool = False) -> list[str]:
    """What was said while the node was claimed."""
    said: list[str] = []
    await claim(node).settle(said.append, returning=returning)
    return said


async def test_what_runs_is_waited_for() -> None:
    """Once it is said what runs, since when, by whom, and how long that may last; then that it is over."""
    node = Node("web1", runs(18), runs(19), runs(20))
    assert await settled(node) == [
        "web1: waiting for the release of deployment 17, sent by alice on laptop 18 s ago (process 4711 sh); "
        "it is ended in 42s at the latest",
        "web1: nothing of it runs any more",
    ]
    assert node.ended == []
    assert len({asked["ROLLOUT_CLAIM"] for asked in node.asked} - {""}) == len(node.asked) == 4


async def test_nothing_is_said_of_a_node_at_rest() -> None:
    """One look is enough."""
    node = Node("web1")
    assert await settled(node) == []
    assert len(node.asked) == 1


async def test_what_is_over_its_time_is_ended() -> None:
    """Whether it was so from the start, or became so while it was waited for."""
    node = Node("web1", runs(59), runs(60))
    assert [text.split()[1] for text in await settled(node)] == ["waiting", "ending", "nothing"]
    assert node.ended == ["/notes/1"]


async def test_what_cannot_be_ended_is_named() -> None:
    """The node is not touched; the hint says what to do, also where it is the application itself."""
    node = Node("web1", runs(61, detached="4712 daemon,"), runs(62, detached="4712 daemon,"))
    with pytest.raises(
        NodeBusy, match=r"4712 daemon\) still runs, although its time-out of 1m is over"
    ) as busy:
        await settled(node)
    assert busy.value.hint is not None
    assert "`kill 4712`" in busy.value.hint
    assert "`rm /notes/1`" in busy.value.hint


@pytest.mark.parametrize(("step", "returning", "looks"), [("restart", True, 3), ("release", True, 1)])
async def test_a_restart_that_was_ended_in_the_middle(step: str, returning: bool, looks: int) -> None:
    """A node does not return before its time-out is over: what it began in systemd, say, may go on."""
    node = Node("web1", runs(5, step=step, state="ended"), runs(59, step=step, state="ended"))
    said = await settled(node, returning=returning)
    assert len(node.asked) == looks
    assert ["it was ended in the middle" in text for text in said[:1]] == ([True] if looks > 1 else [])


async def test_a_deployment_forgets_what_was_ended_in_the_middle() -> None:
    """It restarts the application itself."""
    node = Node("web1")
    await settled(node)
    assert node.asked[0]["ROLLOUT_FORGETS"] == "yes"


async def test_all_reasons_are_given_together() -> None:
    """A node out of reach is no reason yet: preflight says so, with everything else."""
    stuck = [Node(f"web{number}", runs(61), runs(62)) for number in (1, 2)]
    made = [claim(node) for node in (*stuck, Node("web3", None))]
    with pytest.raises(Refused, match=r"(?s)web1: .*\nweb2: ") as refused:
        await claim_all(made, lambda _: None)
    assert len((refused.value.hint or "").splitlines()) == 2
    assert [one.error is not None for one in made] == [False, False, True]
