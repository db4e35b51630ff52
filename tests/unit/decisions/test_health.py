"""A health page's answer is judged, whatever it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.decisions.health import fault, reported_release
from rollout.domain import Answer
from rollout.inventory.health import Health


def health(**settings: Any) -> Health:
    return Health.model_validate({"http": "http://{host}/", **settings})


BY_JSON = health(release={"json": "version"})
BY_HEADER = health(release={"header": "X-Release"})


def says(value: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value))


@pytest.mark.parametrize(
    ("key", "body", "release"),
    [
        ("version", {"version": "1.4.2"}, "1.4.2"),
        ("version", {"version": ""}, ""),
        ("version", {"version": 7}, "7"),
        ("version", {"version": True}, "true"),
        ("version", {"version": None}, None),
        ("version", {}, None),
        ("version", ["1.4.2"], None),
        ("version", "version", None),
        ("version", 7, None),
        ("version", None, None),
        ("0", ["1.4.2"], None),
        ("app.version", {"app": {"version": "1.4.2"}}, "1.4.2"),
        ("app.version", {"app": "1.4.2"}, None),
        ("app.version", {"app": [{"version": "1.4.2"}]}, None),
        ("app.version", {"app": None}, None),
    ],
)
def test_a_release_in_json(key: str, body: Any, release: str | None) -> None:
    """Nested keys have dots; whatever is not there is not reported."""
    assert reported_release(says(body), health(release={"json": key})) == release


def test_a_release_that_is_a_number_stays_as_it_is_written() -> None:
    """1.10 is another release than 1.1."""
    assert reported_release(Answer(200, '{"version": 1.10}'), BY_JSON) == "1.10"
    assert reported_release(Answer(200, '{"version": ' + "9" * 5000 + "}"), BY_JSON) == "9" * 5000


@pytest.mark.parametrize("body", ["", "OK", "<html>", '{"version": "1.4.2"', "\ufeff{}", "[" * 100_000])
def test_what_is_not_json_reports_no_release(body: str) -> None:
    """Text, broken and endlessly nested JSON are answers like others."""
    assert reported_release(Answer(200, body), BY_JSON) is None


def test_json_that_is_too_deep_to_be_written_reports_no_release() -> None:
    """Nesting that can just be read is no release either."""
    for depth in range(10, 3000, 10):
        answer = Answer(200, '{"version": ' + "[" * depth + "]" * depth + "}")
        assert reported_release(answer, BY_JSON) in (None, "[" * depth + "]" * depth)


def test_a_release_in_a_header() -> None:
    """The header's name may be written in any case."""
    assert reported_release(Answer(200, "", {"x-release": "1.4.2"}), BY_HEADER) == "1.4.2"
    assert reported_release(Answer(200, ""), BY_HEADER) is None


def test_without_a_place_to_look_no_release_is_reported() -> None:
    """A `version` in the page means nothing unless the inventory says so."""
    assert reported_release(says({"version": "1.4.2"}), health()) is None


@pytest.mark.parametrize(
    ("settings", "answer", "release", "wrong"),
    [
        ({}, Answer(200, ""), None, ""),
        ({}, Answer(200, ""), "2", ""),
        ({}, Answer(503, ""), None, "answered 503, not 200"),
        ({"status": 204}, Answer(204, ""), None, ""),
        ({"status": 204}, Answer(200, ""), None, "answered 200, not 204"),
        ({"body": "ready"}, Answer(200, "is ready."), None, ""),
        ({"body": "ready"}, Answer(200, "starting"), None, "its answer does not contain 'ready'"),
        ({"body": "ready"}, Answer(503, "ready"), None, "answered 503, not 200"),
        ({"release": {"json": "v"}}, says({"v": "2"}), "2", ""),
        ({"release": {"json": "v"}}, says({"v": "1"}), "2", "it runs 1, not 2"),
        ({"release": {"json": "v"}}, says({"v": "2 "}), "2", "it runs 2 , not 2"),
        ({"release": {"json": "v"}}, says({"v": None}), "2", "it does not report a release"),
        ({"release": {"json": "v"}}, says({}), "2", "it does not report a release"),
        ({"release": {"json": "v"}}, says({}), None, ""),
        ({"release": {"json": "v"}}, says({"v": "2"}, 503), "2", "answered 503, not 200"),
    ],
)
def test_what_is_wrong_with_an_answer(
    settings: dict[str, Any], answer: Answer, release: str | None, wrong: str
) -> None:
    """Status, then body, then release; the first that is wrong is told."""
    assert fault(answer, health(**settings), release) == wrong


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (Answer(404, ""), ""),
        (Answer(404, "not here"), ""),
        (says({"version": "2"}, 404), ""),
        (says({"version": "1"}, 404), "it runs 1, not 2"),
        (Answer(503, ""), "answered 503, not 200"),
        (says({"version": "2", "is": "ready"}), ""),
        (says({"is": "ready"}), "it does not report a release"),
        (says({"version": "2"}), "its answer does not contain 'ready'"),
    ],
)
def test_a_page_that_is_made_to_answer_404(answer: Answer, wrong: str) -> None:
    """While it drains a 404 is right too, unless it reports another release; all else is judged."""
    settings = health(body="ready", release={"json": "version"})
    assert fault(answer, settings, "2", draining=True) == wrong


def test_a_404_is_wrong_for_a_page_that_does_not_drain() -> None:
    """Only who made the page answer 404 may take it for right."""
    assert fault(Answer(404, ""), health(), None) == "answered 404, not 200"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", "b", ""]) | st.text(), inner),
)
BODIES = st.text() | ANYTHING.map(json.dumps)


@given(
    answer=st.builds(
        Answer,
        status=st.integers(100, 599),
        body=BODIES,
        headers=st.dictionaries(st.sampled_from(["x-release", "date"]), st.text()),
    ),
    where=st.sampled_from([{"json": "a"}, {"json": "a.b"}, {"json": "."}, {"header": "X-Release"}]),
    release=st.none() | st.text(),
    draining=st.booleans(),
)
def test_no_answer_breaks_the_judgement(
    answer: Answer, where: dict[str, str], release: str | None, draining: bool
) -> None:
    """Whatever a page answers, the judgement is a text, and empty only if the status was right."""
    settings = health(release=where)
    wrong = fault(answer, settings, release, draining=draining)
    assert wrong or answer.status == 200 or (draining and answer.status == 404)
    reported = reported_release(answer, settings)
    assert reported is None or isinstance(reported, str)
    if not wrong and release is not None and answer.status == 200:
        assert reported == release
