"""A log that is grouped by node, as CI systems fold it."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest

from rollout.domain import Outcome, Step
from rollout.events import (
    DeploymentFinished,
    Event,
    Halted,
    NodeFailed,
    NodeFinished,
    OutputSeen,
    Record,
    StepFailed,
    StepFinished,
    StepStarted,
    Warned,
)
from rollout.views.grouped import GroupedView
from rollout.views.sections import GitHubSections, GitLabSections, Sections, sections_for


class Log:
    """What a grouped log has after some events, without the times of day."""

    def __init__(self, records: list[Record], sections: Sections | None = None) -> None:
        self._stream = io.StringIO()
        self._view = GroupedView(self._stream, sections=sections)
        self._first = records[0]
        self._view.show(self._first)
        self._stream.truncate(self._stream.seek(0))

    def after(self, *events: Event) -> list[str]:
        """The lines that these events add."""
        before = self._stream.tell()
        for event in events:
            self._view.show(Record(17, 2, self._first.time, event))
        return [line.removeprefix("12:00:00 ") for line in self._stream.getvalue()[before:].split("\n")[:-1]]


def begins(node: str, step: Step = Step.RESTART) -> list[Event]:
    return [StepStarted(node, step), OutputSeen(node, step, f"{node} begins")]


def ends(node: str) -> list[Event]:
    detail = "2 workers" if node == "web2" else ""
    return [StepFinished(node, Step.RESTART, 1.0, detail), NodeFinished(node, 2.0)]


def lines_of(node: str, done: str) -> list[str]:
    """The steps have no lines of their own, unless there is more to say than their times."""
    more = [f"{node}  restart  done in 1.0 s · 2 workers"] if node == "web2" else []
    done = f"{node}  done     1.4.2 in 2.0 s (restarted 1.0 s) · {done} of 3"
    return [f"{node}  restart  | {node} begins", *more, done]


def test_each_nodes_lines_stand_together(records: list[Record]) -> None:
    """Those of the first node come at once; those of the others follow it, those that have ended first."""
    log = Log(records)
    assert log.after(*begins("web1")) == lines_of("web1", "1")[:1]
    assert log.after(*begins("web2"), *begins("web3"), *ends("web2")) == []
    assert log.after(*ends("web1")) == [
        *lines_of("web1", "2")[1:],
        *lines_of("web2", "1"),
        *lines_of("web3", "3")[:1],
    ]
    assert log.after(*ends("web3")) == lines_of("web3", "3")[1:]


def test_what_concerns_all_nodes_does_not_wait(records: list[Record]) -> None:
    """A warning is there at once, and so is all that waited once the deployment halts: it may be killed."""
    log = Log(records)
    log.after(*begins("web1"))
    assert log.after(*begins("web2"), Warned("lb1 is slow")) == ["warning: lb1 is slow"]
    assert log.after(Halted("SIGTERM")) == [
        "web2  restart  | web2 begins",
        "halted, no further node starts: SIGTERM",
    ]
    assert log.after(OutputSeen("web2", Step.RESTART, "more")) == ["web2  restart  | more"]


def test_nothing_waits_for_ever(records: list[Record]) -> None:
    """What a node said that never ended stands before the result."""
    log = Log(records)
    lines = log.after(*begins("web1"), *begins("web2"), DeploymentFinished(Outcome.FAILED, 3.0, "killed"))
    assert lines[:4] == ["web1  restart  | web1 begins", "web2  restart  | web2 begins", "", lines[3]]
    assert lines[3].startswith("shop 1.4.2 failed after 3.0 s")


def test_nodes_that_are_prepared_at_once_are_grouped_too(records: list[Record]) -> None:
    """Each preparation is a group of its own, and a node's turn another one."""
    log = Log(records)
    log.after(*begins("web1", Step.PREPARE))
    assert log.after(*begins("web2", Step.PREPARE), StepFinished("web2", Step.PREPARE, 1.0)) == []
    assert log.after(StepFinished("web1", Step.PREPARE, 2.0)) == [
        "web1  prepare  done in 2.0 s",
        "web2  prepare  | web2 begins",
        "web2  prepare  done in 1.0 s",
    ]
    assert log.after(*begins("web1"))[0] == "web1  restart  | web1 begins"


def unfolded(lines: Sequence[str]) -> list[str]:
    """What is in sight where every section is folded."""
    seen, depth = [], 0
    for line in lines:
        depth += line.startswith("::group::") or "section_start" in line
        if not depth:
            seen.append(line)
        depth -= line == "::endgroup::" or "section_end" in line
    assert depth == 0
    return [line for line in seen if line]


@pytest.mark.parametrize("sections", [GitHubSections(), GitLabSections(lambda: 1_700_000_000.0)])
def test_where_sections_are_folded_the_results_are_seen(records: list[Record], sections: Sections) -> None:
    """A section for each node, closed before anything else; outside it are the result and all warnings."""
    log = Log(records, sections)
    lines = log.after(
        *begins("web1"),
        Warned("lb1 is slow"),
        *begins("web2"),
        *ends("web1"),
        StepFailed("web2", Step.RESTART, 1.2, "exit status 1"),
        NodeFailed("web2", left_out=True),
        DeploymentFinished(Outcome.FAILED, 3.0, "web2 failed"),
    )
    seen = unfolded(lines)
    assert seen[:3] == [
        "warning: lb1 is slow",
        "web1  done     1.4.2 in 2.0 s (restarted 1.0 s) · 1 of 3",
        "web2  FAILED   left out: it takes no traffic now",
    ]
    assert seen[3].startswith("shop 1.4.2 failed")
    assert "web2  restart  FAILED after 1.2 s: exit status 1" in lines


def test_gitlab_takes_its_markers(records: list[Record]) -> None:
    """As its documentation has them: the time, a name of letters and digits, and the title after a return."""
    log = Log(records, GitLabSections(lambda: 1_700_000_000.4))
    log.after(*begins("web1"), *ends("web1"))
    raw = log._stream.getvalue()
    assert "\x1b[0Ksection_start:1700000000:rollout_1_web1[collapsed=true]\r\x1b[0Kweb1\n" in raw
    assert "\x1b[0Ksection_end:1700000000:rollout_1_web1\r\x1b[0K\n" in raw


@pytest.mark.parametrize("hostile", ["##[add-mask]x", "::set-output name=a::b", "  ::error::x"])
def test_what_a_node_prints_is_no_command_to_github(records: list[Record], hostile: str) -> None:
    """The runner finds commands at the beginning of a line, and old ones anywhere in it."""
    lines = Log(records, GitHubSections()).after(
        StepStarted("web1", Step.RESTART), OutputSeen("web1", Step.RESTART, hostile), Warned(hostile)
    )
    commands = [line for line in lines if line.lstrip().startswith("::") or "##[" in line]
    assert commands == ["::group::web1", "::endgroup::"]


def test_the_sections_of_the_system_are_taken() -> None:
    """By the variables that GitHub and GitLab set; elsewhere there are none."""
    assert isinstance(sections_for({"GITHUB_ACTIONS": "true"}), GitHubSections)
    assert isinstance(sections_for({"GITLAB_CI": "true"}), GitLabSections)
    assert type(sections_for({"CI": "true"})) is Sections
