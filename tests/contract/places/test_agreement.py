"""What is kept of old deployments is what all their facts say, whichever machine is asked, and whenever
somebody was cut off."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from test_shared_journal import ANN, BOB, Way, machine

from rollout.adapters.journal.lines import read_document, read_fact
from rollout.adapters.journal.shared import SharedJournal
from rollout.cli.facts import Facts
from rollout.cli.journal import last_deployment, mark_returned, node_memories, past_deployments, prune
from rollout.decisions.fold import fold
from rollout.decisions.memory import nodes_out, read_memory
from rollout.decisions.progress import Progress
from rollout.decisions.summary import summary_of
from rollout.domain import Outcome, Step
from rollout.errors import PlaceError
from rollout.events import (
    CommandSent,
    DeploymentFinished,
    DeploymentResumed,
    DeploymentStarted,
    Event,
    NodeFailed,
    NodeFinished,
    OutputSeen,
    Progressed,
    ServerNoted,
    StepFailed,
    StepFinished,
    StepStarted,
    Warned,
)
from tests.support.memory_place import Stored

NODES = ("web1", "web2", "web3")
KEPT = 4


def turn(name: str, chosen: random.Random) -> Iterator[Event]:
    """A node's way through a deployment, to whichever end."""
    for step in Step:
        yield StepStarted(name, step)
        yield CommandSent(name, step, name, "true")
        yield chosen.choice(
            [OutputSeen(name, step, "hello"), Progressed(name, step, "waits"), Warned("hm", name)]
        )
        if chosen.random() < 0.1:
            yield StepFailed(name, step, 1.0, "exit status 1", fell=step is Step.BAKE)
            yield NodeFailed(name, left_out=step is not Step.PREPARE and chosen.random() < 0.6)
            return
        yield StepFinished(name, step, 1.0)
    yield NodeFinished(name, 3.0)


def mixed(names: tuple[str, ...], chosen: random.Random) -> Iterator[Event]:
    """The ways of several nodes at once."""
    turns = [turn(name, chosen) for name in names]
    while turns:
        one = chosen.choice(turns)
        if (event := next(one, None)) is None:
            turns.remove(one)
        else:
            yield event


async def deploy(journal: SharedJournal, release: str, chosen: random.Random) -> None:
    """A deployment, or the rest of the one before, up to its end or to the moment in which it is killed."""
    memories, last = await node_memories(journal, "shop"), await last_deployment(journal, "shop")
    if last is not None and last.unfinished and chosen.random() < 0.4:
        facts = Facts(journal, last, memories)
        names = last.unfinished
        facts.append(DeploymentResumed(names, (), "bob", "there", 43))
    else:
        names = tuple(chosen.sample(NODES, chosen.randint(1, 3)))
        skipped = tuple(name for name in NODES if name not in names)
        started = DeploymentStarted(
            "shop", release, names, skipped, ("lb1",), 2, 0, "prod.yml", "ann", "there", 42
        )
        noted = [ServerNoted(name, "lb1", "shop", name, 0, 100, "UP") for name in names]
        facts, _ = await Facts.begin(journal, "shop", [started, *noted], memories)
    events = [*mixed(names, chosen), DeploymentFinished(Outcome.DONE, 9.0)]
    for event in events[: chosen.choice([len(events), chosen.randint(0, len(events))])]:
        facts.append(event)
        if chosen.random() < 0.1:
            await journal.written(chosen.choice(names))


@pytest.mark.parametrize("seed", range(8))
async def test_every_machine_says_what_the_facts_say(tmp_path: Path, seed: int) -> None:
    """Two machines deploy, resume, are cut off from the place and killed, put nodes back, and prune. Another
    one has never looked before, and one has looked from time to time."""
    chosen, stored = random.Random(seed), Stored()
    for number in range(14):
        holder, way = chosen.choice([ANN, BOB]), Way()
        holder = dataclasses.replace(holder, token=f"{number:032}")
        over = stored.holder.token if stored.holder else ""
        with suppress(PlaceError):
            async with machine(tmp_path / holder.user, stored, holder, way, over) as journal:
                out = nodes_out(await node_memories(journal, "shop"))
                if out and chosen.random() < 0.3:
                    await mark_returned(journal, "shop", chosen.choice([*out]))
                way.away = chosen.random() < 0.1
                await deploy(journal, str(number), chosen)
                await prune(journal, "shop", KEPT)
                way.away = way.away or chosen.random() < 0.2
        for home in chosen.sample(["ann", "bob", "looks", f"new {number}"], 2):
            await _agree(tmp_path / home, stored, chosen.choice([1, 2, 10]))


async def _agree(folder: Path, stored: Stored, latest: int) -> None:
    """What a machine knows once it has looked, and has added what only it knew."""
    async with machine(folder, stored) as journal:
        with suppress(PlaceError):
            await journal.catch_up(dataclasses.replace(ANN, token="9" * 32), stored.holder)
    now = told(stored)
    async with machine(folder, stored) as journal:
        await journal.pull(latest)
        known = await past_deployments(journal, "shop", latest)
        last = await last_deployment(journal, "shop")
        memories = await node_memories(journal, "shop")
    assert known == {one: summary_of(now[one]) for one in sorted(now)[-latest:]}
    assert last == (now[max(now)] if now else None)
    documents = read_document(stored.memory).get("nodes", {})
    assert memories == {name: read_memory(document) for name, document in documents.items()}


def told(stored: Stored) -> dict[int, Progress]:
    """Each deployment at the place, by its facts."""
    return {
        number: fold([record for line in lines if (record := read_fact(number, line)) is not None])
        for number, lines in stored.facts.items()
    }
