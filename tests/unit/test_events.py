"""Events survive being JSON, whatever kind they are and whatever they hold."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout import events as events_module
from rollout.domain import Step
from rollout.events import KINDS, Event, StepFailed, Warned, from_fields, to_fields

EVERY_KIND = [
    kind
    for kind in vars(events_module).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
]

FIELDS = {
    "DeploymentStarted": (
        "service release nodes skipped load_balancers window canary inventory user host pid "
        "releases rollback_of on_failure on_judged waves balanced job version bake"
    ),
    "DeploymentResumed": "nodes skipped user host pid job bake",
    "CapacityPlanned": "load_balancer backend now least floor",
    "ServerNoted": "node load_balancer backend server admin weight status warmup",
    "ReleaseNoted": "node release",
    "StepStarted": "node step",
    "CommandSent": "node step target line",
    "OutputSeen": "node step text",
    "Progressed": "node step detail sessions",
    "Waited": "node step detail seconds",
    "StepFinished": "node step seconds detail",
    "StepFailed": "node step seconds reason hint tail unknown changed_by_others",
    "HookStarted": "hook node on line",
    "HookPrinted": "hook node text",
    "HookEnded": "hook node seconds failure",
    "OpinionHeard": "node source reply reason shadow",
    "Judged": "nodes verdict reason requests errors others others_requests others_errors",
    "NodeFinished": "node seconds",
    "NodeFailed": "node left_out",
    "NodeReturned": "node",
    "Warned": "message node",
    "Halted": "reason gave_up judged",
    "Paused": "reason",
    "WentOn": "reason",
    "Served": "release requests errors",
    "UsersSaw": "requests errors by_haproxy",
    "Probed": "asked failed median longest",
    "Sampled": (
        "releases requests errors by_haproxy sessions ready probes probe_failures probe_milliseconds"
    ),
    "DeploymentFinished": "outcome seconds reason",
}
"""The fields of every kind. Journals on disk hold them, and other programs read them in `--output json`."""


def events(kind: type[Event]) -> st.SearchStrategy[Event]:
    return st.builds(kind, **{name: values(hint) for name, hint in get_type_hints(kind).items()})


def values(hint: Any) -> st.SearchStrategy[Any]:
    numbers = st.floats(allow_nan=False)
    if hint == float | None:
        return st.none() | numbers
    return numbers if hint is float else st.from_type(hint)


@pytest.mark.parametrize("kind", EVERY_KIND)
@given(data=st.data())
def test_every_kind_comes_back_equal_from_json(kind: type[Event], data: st.DataObject) -> None:
    """Any event, written as a line of JSON and read again, is the same event."""
    event = data.draw(events(kind))
    line = json.dumps(to_fields(event))
    back = from_fields(kind.__name__, json.loads(line))
    assert back == event
    assert [type(getattr(back, name)) for name in to_fields(event)] == [*map(type, to_fields(event).values())]


def test_kinds_are_all_there_is() -> None:
    """Every class of event can be read back by its name."""
    assert sorted(KINDS) == sorted(kind.__name__ for kind in EVERY_KIND)
    assert set(KINDS.values()) == set(EVERY_KIND)


@pytest.mark.parametrize("kind", FIELDS)
def test_no_kind_and_no_field_is_renamed_or_removed(kind: str) -> None:
    """A rename would lose what old journals hold, without an error: an unknown name is passed over."""
    fields = {field.name for field in dataclasses.fields(KINDS[kind])}
    assert fields >= set(FIELDS[kind].split())


def test_a_kind_of_a_newer_version_is_passed_over() -> None:
    """A journal that a newer version wrote can be read, without what is not known here."""
    assert from_fields("MoonLanded", {"node": "web1"}) is None


def test_a_field_of_a_newer_version_is_passed_over() -> None:
    """A field that is not known here does not keep the event from being read."""
    assert from_fields("Warned", {"message": "hot", "degrees": 90}) == Warned("hot")


def test_fields_of_an_older_version_get_their_defaults() -> None:
    """An event that was written before a field existed has that field's default."""
    fields = {"node": "web1", "step": "verify", "seconds": 1.5, "reason": "no answer"}
    assert from_fields("StepFailed", fields) == StepFailed("web1", Step.VERIFY, 1.5, "no answer")
