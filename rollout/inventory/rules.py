"""Rules between keys of an inventory, checked on plain data, so that other mistakes do not hide them."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import Any

from rollout.inventory.document import Document
from rollout.inventory.health import Health
from rollout.inventory.hooks import NOTIFIED
from rollout.inventory.mistakes import KeyPath, Mistake, quoted
from rollout.inventory.quantities import format_duration, parse_duration, parse_percent
from rollout.inventory.release import RELEASES
from rollout.inventory.restart import Processes, Restart
from rollout.inventory.section import Section
from rollout.inventory.server_names import mistaken_servers
from rollout.inventory.state import mistaken_state

_EXACTLY_ONE: tuple[tuple[KeyPath, tuple[str, ...]], ...] = (
    (("release",), RELEASES),
    (("drain", "health_page"), ("file", "request")),
    (("health", "release"), ("json", "header")),
)
_ALL = re.compile(r"100(\.0+)?%")


def broken_rules(document: Document, meant: Collection[KeyPath], restart: type[Restart]) -> Iterator[Mistake]:
    """A mistake for each rule that is broken. Keys that mistyped ones are `meant` to be count as given.

    `restart` is the section of a restart, with all drivers that there are.
    """
    for path, keys in _EXACTLY_ONE:
        yield from _exactly_one(document, path, keys, meant)
    for path in restart_paths(document):
        yield from _exactly_one(document, path, restart.drivers, meant)
        yield from _a_page_that_proves(document, path, meant)
        yield from _one_way_to_start(document, path)
        yield from _time_for_the_workers(document, path)
    yield from _a_way_to_drain(document, meant, restart)
    yield from _time_for_the_answers(document)
    yield from _somebody_to_notify(document, meant)
    yield from _min_ready_that_can_be(document, meant)
    yield from _a_warmup_that_rises(document)
    yield from _weights_that_can_be_set(document, meant)
    yield from _zones_to_spread_over(document, meant)
    yield from mistaken_servers(document, meant)
    yield from mistaken_state(document, meant)
    yield from _distinct_load_balancers(document)
    yield from _distinct_backends(document)


def restart_paths(document: Document) -> Iterator[KeyPath]:
    """The places of all settings of a restart."""
    restart = document.at(("restart",))
    if isinstance(restart, dict):
        yield ("restart",)
    for index, one in enumerate(restart if isinstance(restart, list) else ()):
        if isinstance(one, dict):
            yield ("restart", index)


def _exactly_one(
    document: Document, path: KeyPath, keys: tuple[str, ...], meant: Collection[KeyPath]
) -> Iterator[Mistake]:
    section = document.at(path)
    if not isinstance(section, dict):
        return
    given = [key for key in section if key in keys and section[key] is not None]
    if len(given) > 1:
        first, second, *_ = given
        line = document.keys[(*path, first)].line
        message = f"cannot be combined with {first} (line {line}): expected only one of them"
        yield document.mistake((*path, second), message, document.keys[(*path, second)])
    if not given and not any((*path, key) in meant for key in keys):
        message = f"expected exactly one of {_listed(keys)}"
        yield document.mistake(path, message, document.keys.get(path))


def _listed(keys: Sequence[str]) -> str:
    *others, last = keys
    return f"{', '.join(others)} and {last}"


def _a_way_to_drain(
    document: Document, meant: Collection[KeyPath], section: type[Restart]
) -> Iterator[Mistake]:
    ways: tuple[KeyPath, ...] = (("load_balancers",), ("drain", "health_page"))
    drain = document.at(("drain",))
    restart = document.at(("restart",))
    known = [document.at(path) for path in restart_paths(document)]
    gap = not known or any(section.leaves_a_gap(one) for one in known)
    if restart == "none" or not gap:
        return  # the other drivers restart an application while it serves: no node has to be drained
    unclear = ("drain",) in meant or any(way in meant for way in ways) or not isinstance(drain, dict | None)
    if not unclear and document.at(ways[0]) is None and document.at(ways[1]) is None:
        message = (
            "no way to drain a node: list each HAProxy here, or describe drain.health_page; "
            "write `load_balancers: {}` if nothing sends requests to the nodes"
        )
        yield document.mistake(ways[0], message, document.keys.get(ways[0]))


def _a_page_that_proves(document: Document, path: KeyPath, meant: Collection[KeyPath]) -> Iterator[Mistake]:
    proof = (*path, "signal", "proof")
    if document.at(proof) == "health" and document.at(("health",)) is None and ("health",) not in meant:
        yield document.mistake(proof, "needs a health page: describe it under health")


def _one_way_to_start(document: Document, path: KeyPath) -> Iterator[Mistake]:
    start = (*path, "start")
    if document.at(start) is not None and document.at((*path, "celery", "start")) is not None:
        message = "cannot be combined with celery.start, which starts a worker that does not run, too"
        yield document.mistake(start, message, document.keys[start])


def _time_for_the_answers(document: Document) -> Iterator[Mistake]:
    given = document.at(("health", "successes"))
    if given is None and document.at(("health", "interval")) is None:
        return
    successes = (
        int(given) if re.fullmatch("[0-9]{1,9}", str(given)) else Health.model_fields["successes"].default
    )
    needed = (successes - 1) * _seconds(document, ("health", "interval"), Health)
    timeout = _seconds(document, ("health", "timeout"), Health)
    if needed > timeout:
        message = (
            f"{successes} right answers, each health.interval after the one before, take "
            f"{format_duration(needed)}: expected a timeout longer than that, not {format_duration(timeout)}"
        )
        yield document.mistake(("health", "timeout"), message)


def _time_for_the_workers(document: Document, path: KeyPath) -> Iterator[Mistake]:
    settings = (*path, "processes")
    if not isinstance(document.at(settings), dict):
        return
    ready = _seconds(document, (*settings, "ready"), Processes)
    drain = _seconds(document, (*settings, "drain"), Processes)
    timeout = _seconds(document, (*path, "timeout"), Restart)
    if ready + drain >= timeout:
        message = (
            f"new workers may take {format_duration(ready)}, and old ones {format_duration(drain)}: "
            f"expected restart.timeout ({format_duration(timeout)}) to be longer than both together"
        )
        yield document.mistake(settings, message, document.keys[settings])


def _somebody_to_notify(document: Document, meant: Collection[KeyPath]) -> Iterator[Mistake]:
    path = ("notify",)
    given = document.at(path)
    if isinstance(given, dict) and not any(given.get(key) or (*path, key) in meant for key in NOTIFIED):
        yield document.mistake(path, f"expected {' or '.join(NOTIFIED)}", document.keys[path])


def _seconds(document: Document, path: KeyPath, section: type[Section]) -> float:
    """The duration at `path`, or else its default; NaN for a mistake, which has been found elsewhere."""
    given = document.at(path)
    try:
        default: float = section.model_fields[str(path[-1])].default
        return default if given is None else parse_duration(given)
    except ValueError:
        return math.nan


def _min_ready_that_can_be(document: Document, meant: Collection[KeyPath]) -> Iterator[Mistake]:
    path = ("strategy", "min_ready")
    given = document.at(path)
    if isinstance(given, str) and _ALL.fullmatch(given):
        yield document.mistake(path, "expected less than 100%, or no node could ever be drained")
    if given is not None and not document.at(("load_balancers",)) and ("load_balancers",) not in meant:
        message = "only HAProxy shows how many servers are ready: list each HAProxy under load_balancers"
        yield document.mistake(path, message)


def _a_warmup_that_rises(document: Document) -> Iterator[Mistake]:
    path = ("warmup", "steps")
    given = document.at(path)
    try:
        steps = [parse_percent(step) for step in given] if isinstance(given, list) else []
    except ValueError:
        return  # a mistake that has been found elsewhere
    if isinstance(given, list) and len(given) < 2:
        yield document.mistake(path, "expected a lower percentage before 100%, such as [10%, 100%]")
        return
    for index, (step, following) in enumerate(pairwise(steps), start=1):
        if following <= step:
            message = f"expected more than the step before, which is {step:g}%"
            yield document.mistake((*path, index), message)
    if steps and steps[-1] != 100:
        message = "expected 100% as the last step, the server's full weight"
        yield document.mistake((*path, len(steps) - 1), message)


def _weights_that_can_be_set(document: Document, meant: Collection[KeyPath]) -> Iterator[Mistake]:
    path = ("warmup",)
    if document.at(path) is None:
        return
    page = ("drain", "health_page")
    if document.at(page) is not None:
        line = document.keys[page].line
        message = (
            f"a warm-up sets weights by the runtime socket, which drain.health_page (line {line}) only reads"
        )
        yield document.mistake(path, message, document.keys[path])
    elif not document.at(("load_balancers",)) and ("load_balancers",) not in meant:
        message = "only HAProxy can warm up a node: list each HAProxy under load_balancers"
        yield document.mistake(path, message, document.keys[path])


def _zones_to_spread_over(document: Document, meant: Collection[KeyPath]) -> Iterator[Mistake]:
    spread = document.at(("strategy", "spread"))
    if spread is None:
        return
    for node, settings in _mappings(document, "nodes"):
        if settings.get("zone") is None and ("nodes", node, "zone") not in meant:
            line = document.keys["strategy", "spread"].line
            message = f"has no zone, but strategy.spread (line {line}) needs one for every node"
            yield document.mistake(("nodes", node), message, document.keys.get(("nodes", node)))


def _distinct_load_balancers(document: Document) -> Iterator[Mistake]:
    """With one HAProxy listed twice, a forgotten second one would go on sending requests."""
    sockets: dict[str, str] = {}
    for name, settings in _mappings(document, "load_balancers"):
        socket = settings.get("haproxy")
        if isinstance(socket, str) and socket and sockets.setdefault(socket, name) != name:
            message = f"the same socket as load balancer {quoted(sockets[socket])}"
            yield document.mistake(("load_balancers", name, "haproxy"), message)


def _distinct_backends(document: Document) -> Iterator[Mistake]:
    for name, settings in _mappings(document, "load_balancers"):
        backends: Any = settings.get("backends")
        for index, backend in enumerate(backends if isinstance(backends, list) else []):
            if isinstance(backend, str) and backend and backend in backends[:index]:
                path = ("load_balancers", name, "backends", index)
                yield document.mistake(path, f"duplicate of entry {backends.index(backend) + 1}")


def _mappings(document: Document, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entries of a mapping of mappings. Other shapes are mistakes that have been found elsewhere."""
    entries = document.at((key,))
    for name, entry in (entries if isinstance(entries, dict) else {}).items():
        if isinstance(entry, dict):
            yield name, entry
