"""The simulation is worth something: each bug that is planted in the engine makes it fail."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Sequence
from typing import Any

import pytest

from rollout.adapters.journal.shared import SharedJournal
from rollout.cli.recorder import JournalRecorder
from rollout.domain import LockHolder, Publication, ServerState
from rollout.engine import hold
from rollout.engine.aftercare import Aftercare
from rollout.engine.claim import Claim, Say
from rollout.engine.deployment import Deployment
from rollout.engine.hold import Hold
from rollout.engine.log import StepLog
from rollout.engine.places import Places
from rollout.engine.rotation.by_socket import SocketRotation
from rollout.engine.rotation.node_servers import NodeServers
from rollout.engine.rotation.twins import Twins
from rollout.engine.steps import bake, node
from tests.simulation.faults import Fault
from tests.simulation.machine import Machine
from tests.simulation.scenario import FaultPlan, nothing_breaks, simulate
from tests.simulation.site import LONGEST
from tests.support.memory_place import MemoryPlace

_SEEDS = range(200)
"""More than enough: most bugs show within a few dozen. Where nothing is planted they are silent, as
`test_where_nothing_breaks_everything_is_done` shows."""


def releases_break(rng: random.Random, nodes: int) -> Sequence[Fault]:
    """A plan of nothing but releases that are broken."""
    return (Fault(10**9, "halt"),)


def a_backend_comes(rng: random.Random, nodes: int) -> Sequence[Fault]:
    """A plan of a reload that adds a backend, somewhere in the deployment."""
    return (Fault(rng.randint(1, 40 * nodes), "reload with more"),)


def violation(faults: FaultPlan = nothing_breaks) -> str:
    """The first one that any of the seeds finds while nothing breaks but those `faults`."""
    for seed in _SEEDS:
        result = simulate(seed, faults, several=False)
        if result.violations:
            return result.violations[0]
    return ""


async def nothing(*_: Any) -> None:
    """In place of a step of the engine's."""


def test_ready_before_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that is put back without a proof gets requests before it is up."""
    monkeypatch.setattr(node, "prove", nothing)
    assert "takes requests, but web" in violation()


def test_a_load_balancer_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load balancer that is not told goes on sending to a node that is restarted."""
    honest = SocketRotation.__init__

    def forgetful(self: SocketRotation, servers: Sequence[NodeServers], *rest: Any) -> None:
        honest(self, servers[:1], *rest)

    monkeypatch.setattr(SocketRotation, "__init__", forgetful)
    assert "is restarted while" in violation()


def test_a_twin_that_is_believed_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that comes back before its twin's check has passed gets requests before it is up."""
    monkeypatch.setattr(Twins, "has_passed", lambda self, server, reading: True)
    assert "takes requests, but web" in violation(releases_break)


def test_a_twin_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twin that nobody removes is found in the end."""
    monkeypatch.setattr(Twins, "remove", lambda self: [])
    monkeypatch.setattr(Twins, "left", lambda self, reading: [])
    assert "was left" in violation()


def test_a_window_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """One node more than the window is noticed, from what the load balancers show."""
    honest = Deployment._window
    monkeypatch.setattr(Deployment, "_window", lambda self: honest(self) + 1)
    assert "nodes are out" in violation()


def test_a_window_counted_from_the_inventory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window without a look at what HAProxy shows takes the last server of a backend."""
    honest = Deployment.__init__

    def blind(self: Deployment, *arguments: Any, **options: Any) -> None:
        honest(self, *arguments, **{**options, "allow_outage": True})

    monkeypatch.setattr(Deployment, "__init__", blind)
    assert "left, and only 0 servers of its backend serve" in violation()


def test_no_maintenance_after_the_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drained server still serves the clients that are pinned to it, up to the restart and during it."""

    async def drained(self: SocketRotation, log: StepLog) -> None:
        await asyncio.sleep(LONGEST)

    monkeypatch.setattr(SocketRotation, "drained", drained)
    monkeypatch.setattr(SocketRotation, "still_out", nothing)
    assert "is restarted while" in violation()


def test_restart_without_draining(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that is restarted while it serves loses what comes to it and what runs on it."""
    for step in ("leave", "drained", "still_out"):
        monkeypatch.setattr(SocketRotation, step, nothing)
    found = violation()
    assert "is restarted while" in found or "a request ran on it when it was restarted" in found


def test_no_wait_for_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Maintenance alone keeps new requests away, but those that run are lost with the restart."""
    monkeypatch.setattr(SocketRotation, "drained", SocketRotation.stay_out)
    monkeypatch.setattr(SocketRotation, "still_out", nothing)
    found = violation()
    assert "a request ran on it when it was restarted" in found or "were cut when" in found


def test_busy_connections_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that HAProxy shows as a connection in use alone is lost if sessions are all that counts."""
    monkeypatch.setattr(ServerState, "load", property(lambda self: self.sessions + self.queued))
    found = violation()
    assert "a request ran on it when it was restarted" in found or "were cut when" in found


def test_a_step_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment that waits for longer than all its time-outs together is caught."""

    async def for_ever(*_: Any, **__: Any) -> None:
        await asyncio.sleep(1e9)

    monkeypatch.setattr(node, "prove", for_ever)
    monkeypatch.setattr(bake, "_PATIENCE", 1.0)  # which is most of the limit
    assert "deploy does not end" in simulate(8, nothing_breaks, several=False).violations[0]


def test_no_word_in_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that is not in the journal before it is sent is noticed."""
    monkeypatch.setattr(StepLog, "sent", lambda self, target, line: None)
    assert "with no word in the journal" in violation()


def test_no_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that is sent before the journal has it on disk is noticed: a kill would hide it."""

    async def shown_at_once(self: JournalRecorder, node: str = "") -> None:
        self._show_until(self._unshown[-1] if self._unshown else None)

    monkeypatch.setattr(JournalRecorder, "written", shown_at_once)
    found = violation()
    assert "no step is on disk" in found or "with no word in the journal" in found


def several(fault: str) -> FaultPlan:
    """A fault that strikes three times, anywhere."""

    def plan(rng: random.Random, nodes: int) -> tuple[Fault, ...]:
        return tuple(Fault(rng.randint(1, 40 * nodes), fault) for _ in range(3))

    return plan


def test_orphans_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever works beside a command of a deployment that was killed is caught."""

    async def blind(self: Claim, say: Say, *, returning: bool) -> None:
        await self.make(returning=returning)

    monkeypatch.setattr(Claim, "settle", blind)
    found = violation(several("killed after"))
    assert "of an earlier one runs" in found or "is restarted while" in found


def test_late_commands_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that arrives when its sender has given it up is caught if no claim keeps it away."""
    honest = Machine.start

    def unclaimed(self: Machine, line: str, environment: Any, note: Any, *rest: Any, **more: Any) -> Any:
        known = note and dataclasses.replace(note, claim=self._claim)
        return honest(self, line, environment, known, *rest, **more)

    monkeypatch.setattr(Machine, "start", unclaimed)
    found = violation(several("connection cut, done later"))
    assert "of an earlier one runs" in found or "is restarted while" in found


def test_nobody_looks_after_nodes_that_are_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that dies once it is proved takes one node after the other along."""

    async def all_is_well(self: Aftercare) -> str:
        return ""

    monkeypatch.setattr(Aftercare, "look", all_is_well)
    monkeypatch.setattr(Aftercare, "look_at_the_end", nothing)
    found = violation(releases_break)
    assert "which was put back, is down" in found or "takes requests, but web" in found


def test_nodes_are_placed_once_and_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that a reload adds goes on to send requests to a node that is restarted."""
    monkeypatch.setattr(Places, "_place", lambda self, reading, rows: None)
    assert "is restarted while late/" in violation(a_backend_comes)


def sleepers(rng: random.Random, nodes: int) -> tuple[Fault, ...]:
    """A plan of a deployer that sleeps, now and then for longer than it takes to be taken over."""
    return tuple(Fault(rng.randint(1, 40 * nodes), "deployer sleeps") for _ in range(2))


def violation_of_several(faults: FaultPlan) -> str:
    """The first one that any of the seeds finds with several deployers, while nothing breaks but `faults`."""
    for seed in _SEEDS:
        result = simulate(seed, faults, several=True)
        if result.violations:
            return result.violations[0]
    return ""


def test_a_lost_lock_is_not_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployer that slept past its lock, and goes on beside the one that took over, is caught."""
    monkeypatch.setattr(Hold, "require", nothing)
    assert "and the lock is held by" in violation_of_several(sleepers)


def test_a_lock_is_taken_over_too_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """So is whoever takes a lock over from a deployer that lives, after a second of silence."""
    monkeypatch.setattr(hold, "_ABANDONED", 1.0)
    assert "and the lock is held by" in violation_of_several(nothing_breaks)


def test_a_late_fact_of_an_old_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A place that takes facts from a deployer that has lost the lock is caught."""

    def unguarded(self: MemoryPlace, holder: LockHolder, epoch: int, published: Publication) -> None:
        self.stored.facts.setdefault(published.deployment, []).extend(published.facts)

    monkeypatch.setattr(MemoryPlace, "_publish", unguarded)
    assert "the place took facts from" in violation_of_several(sleepers)


def test_a_turn_that_nobody_else_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that is touched before the place knows that its turn has begun is caught."""
    monkeypatch.setattr(SharedJournal, "_needed_by", lambda self, event: None)
    assert "and the place does not know it" in violation_of_several(nothing_breaks)
