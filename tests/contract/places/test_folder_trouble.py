"""A folder as a place, where things go wrong: full and read-only disks, lines that are cut in the middle."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.domain import Publication
from rollout.errors import PlaceError
from tests.support.folders import FACTS, ONE, OTHER, folder, inside, make, used
from tests.support.small_disk import fill, remount, small_disk


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


async def test_a_full_disk_leaves_whole_what_is_there(small: Path) -> None:
    """Wherever it is full: what was published stays, and all of it is there once there is room."""
    place = folder(small / "state")
    epoch = await place.take(ONE)
    assert epoch is not None
    facts = [f'{{"number": {number}, "text": "{"x" * 500}"}}' for number in range(20)]
    filler, failed = small / "filler", 0
    memory = ""
    for number, after in enumerate(range(0, 20, 2), start=1):
        fill(filler, number % 5)
        publication = Publication(1, after, facts[after : after + 2], memory=f"[{number}]")
        try:
            await place.publish(ONE, epoch, publication)
        except PlaceError:
            failed += 1
            there = list(await place.facts(1))
            assert there == facts[: len(there)]
            assert len(there) >= after
            assert (await place.look()).memory in (memory, f"[{number}]")
            filler.unlink()
            await place.publish(ONE, epoch, publication)
        memory = f"[{number}]"
        assert (await place.look()).memory == memory
    assert failed > 2
    assert list(await place.facts(1)) == facts
    fill(filler, 0)
    with pytest.raises(PlaceError, match="No space left on device"):
        await place.take(OTHER, over=ONE.token)
    held = await place.held()
    assert held is not None
    assert (held.holder, held.epoch) == (ONE, epoch)
    filler.unlink()
    assert await place.take(OTHER, over=ONE.token) == epoch + 1


async def test_a_disk_that_may_only_be_read(small: Path) -> None:
    """The error says so; what is there can be seen, and it goes on once the disk may be written again."""
    place = folder(small / "state")
    await used(place)
    remount(small, "ro")
    with pytest.raises(PlaceError, match="Read-only file system"):
        await place.publish(ONE, 1, Publication(1, 6, FACTS))
    for again in (place, folder(small / "state")):
        with pytest.raises(PlaceError, match="Read-only file system"):
            await again.take(OTHER, over=ONE.token)
        shared = await again.look()
        assert shared.lock is not None
        assert (shared.lock.holder, list(shared.facts)) == (ONE, FACTS)
    remount(small, "rw")
    assert list(await place.facts(1)) == FACTS
    await place.publish(ONE, 1, Publication(1, 6, FACTS))
    assert list(await place.facts(1)) == FACTS * 2


KILLED = """#!/bin/sh
# Kill the line that runs this program for the ROLLOUT_KILL_AT-th time, before or after it has done its work.
echo >>{count}
if [ "$(wc -l <{count})" -eq "$ROLLOUT_KILL_AT" ]; then
  if [ "$ROLLOUT_KILL" = after ]; then {program} "$@"; fi
  kill -9 $PPID
  exit 1
fi
exec {program} "$@"
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("program", ["sync", "mv", "sed"])
async def test_a_line_that_is_cut_in_the_middle_leaves_files_whole(
    tmp_path: Path, program: str, when: str
) -> None:
    """Wherever its shell is killed while it publishes or takes the lock: the state is as before or as after,
    and the next line goes on."""
    programs, count = make(tmp_path / "bin", 0o755), tmp_path / "count"
    (programs / program).write_text(KILLED.format(count=count, program=shutil.which(program)))
    (programs / program).chmod(0o755)
    place = folder(tmp_path / "state")
    epoch = await place.take(ONE)
    assert epoch is not None
    cuts, turn = 1, 0
    while cuts:  # until the program is run less often than that
        cuts, turn = 0, turn + 1
        path = f"PATH={programs}:{os.environ['PATH']}"
        cut = folder(tmp_path / "state", "env", path, f"ROLLOUT_KILL_AT={turn}", f"ROLLOUT_KILL={when}")
        await cut.held()
        count.write_text("")
        publication = Publication(turn, 0, FACTS, memory=f"[{turn}]", summary="{}")
        try:
            await cut.publish(ONE, epoch, publication)
        except PlaceError:
            cuts += 1
        there = list(await place.facts(turn))
        assert there == FACTS[: len(there)]
        assert (await place.look()).memory in ("", f"[{turn - 1}]", f"[{turn}]")
        await place.publish(ONE, epoch, publication)
        assert list(await place.facts(turn)) == FACTS
        assert (await place.look()).memory == f"[{turn}]"
        before = await place.held()
        assert before is not None
        count.write_text("")
        holder = dataclasses.replace(ONE, token=f"{turn:032}")
        try:
            await cut.take(holder, over=before.holder.token)
        except PlaceError:
            cuts += 1
        after = await place.held()
        assert after is not None
        assert after.holder in (before.holder, holder)
        epoch = await place.take(ONE, over=after.holder.token)
        assert epoch is not None
        assert epoch >= before.epoch
    assert turn > 2
    left = {name.partition("/")[0] for name in inside(tmp_path / "state/shop-4294967295")}
    assert left <= {".", "busy", "lock", "epoch", "beat", "memory", "deployments"}


async def test_half_a_fact_is_none(tmp_path: Path) -> None:
    """Where the machine lost its power in the middle of one: it is not read, and the next one replaces it."""
    place = folder(tmp_path / "state")
    epoch = await used(place)
    with (tmp_path / "state/shop-4294967295/deployments/00000001.facts").open("a") as facts:
        facts.write('{"num')
    assert list(await place.facts(1)) == list((await place.look()).facts) == FACTS
    await place.publish(ONE, epoch, Publication(1, 6, FACTS))
    assert list(await place.facts(1)) == FACTS * 2
