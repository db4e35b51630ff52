"""What is left of a deployment for a CI system: JUnit, GitHub's summary and its annotations."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rollout.decisions.fold import fold
from rollout.domain import Outcome, Step
from rollout.events import DeploymentFinished, Record, StepFailed, Warned
from rollout.views.annotations import Annotations, annotation, in_checkout
from rollout.views.junit import junit
from rollout.views.step_summary import step_summary
from rollout.views.text import Lines

HOSTILE = "a|b <img src=x> `code` [x](y) \x1b[2J & ]]>"


def with_hostile(records: list[Record]) -> list[Record]:
    """The deployment, with a failure that would be markup."""
    return [
        dataclasses.replace(record, event=dataclasses.replace(record.event, reason=HOSTILE, tail=(HOSTILE,)))
        if isinstance(record.event, StepFailed)
        else record
        for record in records
    ]


def test_each_node_is_a_test_case(records: list[Record]) -> None:
    """One that is done, one that failed with what it printed, two that were not reached; and the whole."""
    (suite,) = ElementTree.fromstring(junit([fold(records)]))
    assert suite.attrib["name"] == "shop 1.4.2 (17)"
    counts = {name: suite.attrib[name] for name in ("tests", "failures", "errors", "skipped", "time")}
    assert counts == {"tests": "5", "failures": "2", "errors": "0", "skipped": "2", "time": "75.000"}
    cases = {case.attrib["name"]: case for case in suite}
    assert list(cases) == ["deployment 17", "web1", "web2", "web3", "web4"]
    assert [child.tag for child in cases["web1"]] == ["system-out"]
    (failure,) = cases["web2"]
    assert failure.attrib == {"message": "exit status 1", "type": "restart"}
    assert (
        failure.text == "starting shop\nImportError: no module named shop\nleft out: it takes no traffic now"
    )
    assert [cases[name][0].tag for name in ("web3", "web4")] == ["skipped", "skipped"]
    assert cases["deployment 17"][0].attrib["message"].startswith("shop 1.4.2 failed after 1 min 15 s")


def test_a_rollback_is_a_suite_of_its_own(records: list[Record]) -> None:
    """Both are in one file; and a run that deployed nothing is an error, not an empty file."""
    assert len(ElementTree.fromstring(junit([fold(records), fold(records[:-1])]))) == 2
    (suite,) = ElementTree.fromstring(junit([], "no capacity"))
    assert (suite.attrib["errors"], suite[0][0].attrib["message"]) == ("1", "no capacity")


def test_what_a_node_prints_is_text_everywhere(records: list[Record]) -> None:
    """It breaks no file, and is no markup; nothing that a terminal would obey is left in it."""
    progress = fold(with_hostile(records))
    (suite,) = ElementTree.fromstring(junit([progress]))
    assert "<img src=x>" in suite[2][0].attrib["message"]
    summary = step_summary(progress)
    assert "<img" not in summary
    assert r"a\|b" in summary
    assert "\x1b" not in junit([progress]) + summary
    assert all(line.count(" | ") == 3 for line in summary.splitlines() if line.startswith("| web"))


def test_the_summary_has_the_result_the_nodes_and_what_to_do_next(records: list[Record]) -> None:
    """As GitHub shows it on the page of a run."""
    lines = step_summary(fold(records)).splitlines()
    assert lines[0] == r"### ❌ shop 1.4.2 failed after 1 min 15 s\: web2 failed"
    assert lines[4] == r"| web1 | ✅ done | 1.4.1 → 1.4.2 · drained 6.5 s · restarted 1.5 s | 8.0 s |"
    assert lines[5].startswith("| web2 | ❌ failed | restart\\: exit status 1; left out")
    assert "rollout rollback -i &#x27;my prod.yml&#x27;" in step_summary(fold(records))
    done = fold([*records[:1], Record(17, 2, records[0].time + 3, DeploymentFinished(Outcome.DONE, 3.0))])
    assert step_summary(done).startswith("### ✅ shop 1.4.2 done")


def test_failures_and_warnings_are_annotations(records: list[Record]) -> None:
    """Beside the inventory, with the cause; a line of a node cannot forge another command."""
    stream = io.StringIO()
    annotations = Annotations(Lines(stream), "prod.yml")
    for record in records:
        annotations.show(record)
    annotations.show(Record(17, 99, 0.0, Warned("50% full\n::error::forged", node="web1")))
    assert stream.getvalue().splitlines() == [
        "::warning file=prod.yml,title=shop::backend shop has no option redispatch",
        "::error file=prod.yml,title=shop%3A web2 failed at restart::exit status 1%0Astarting shop"
        "%0AImportError: no module named shop",
        "::warning file=prod.yml,title=shop%3A web2::it is warm",
        "::error file=prod.yml,title=shop::web2 failed",
        "::warning file=prod.yml,title=shop%3A web1::50%25 full%0A::error::forged",
    ]


def test_an_annotation_names_its_place(tmp_path: Path) -> None:
    """A file of the checkout by its path there, with the line; another file is not named."""
    assert (
        annotation("error", "unknown key", file="a,b.yml", line=12)
        == "::error file=a%2Cb.yml,line=12::unknown key"
    )
    assert annotation("error", "why") == "::error::why"
    workspace = {"GITHUB_WORKSPACE": str(tmp_path)}
    assert in_checkout(tmp_path / "deploy" / "prod.yml", workspace) == "deploy/prod.yml"
    assert in_checkout(Path("/etc/prod.yml"), workspace) == ""


@pytest.mark.parametrize("step", list(Step))
def test_every_step_has_a_word(step: Step) -> None:
    """Also in the reports."""
    from rollout.views.deployment_words import PAST

    assert PAST[step]
