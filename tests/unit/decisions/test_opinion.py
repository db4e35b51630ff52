"""What is made of the replies of Prometheus and of a command."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.decisions.opinion import UNANSWERED, Kind, Replies, Reply, of_command
from rollout.decisions.prometheus import of_prometheus
from rollout.domain import Answer, Completed, Verdict


def vector(*values: Any) -> str:
    result = [{"metric": {"node": str(number)}, "value": [1, value]} for number, value in enumerate(values)]
    return success("vector", result)


def success(kind: str, result: Any) -> str:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}})


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (vector("0.4"), Kind.GOOD, "`q` is 0.4"),
        (vector("0.5"), Kind.GOOD, "`q` is 0.5"),
        (vector("-3"), Kind.GOOD, "`q` is -3"),
        (success("scalar", [1, "0.1"]), Kind.GOOD, "`q` is 0.1"),
        (vector("0.7"), Kind.BAD, "`q` is 0.7; the limit is 0.5"),
    ],
)
def test_a_value_is_good_up_to_its_limit(body: str, kind: Kind, reason: str) -> None:
    """A single value of a vector, or a scalar; the query and the figure are told."""
    assert of_prometheus("q", 0.5, Answer(200, body)) == Reply(kind, reason)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, vector("NaN"), "`q` is NaN"),
        (200, vector("+Inf"), "`q` is +inf"),
        (200, vector("-Inf"), "`q` is -inf"),
        (200, success("scalar", [1, "NaN"]), "`q` is NaN"),
        (200, vector(), "did not return a single value: it returned 0 series"),
        (200, vector("0.1", "0.2"), "did not return a single value: it returned 2 series"),
        (200, vector("much"), "did not return a single value: it is no number"),
        (200, vector(True), "did not return a single value: it is no number"),
        (200, vector(None), "did not return a single value: it is no number"),
        (200, success("matrix", []), "it returned no vector and no scalar"),
        (200, success("vector", None), "it returned no vector and no scalar"),
        (200, json.dumps({"status": "success"}), "it returned no vector and no scalar"),
        (200, json.dumps({"status": "error", "errorType": "timeout", "error": "slow"}), "timeout: slow"),
        (
            400,
            json.dumps({"status": "error", "errorType": "bad_data", "error": "parse"}),
            "400, bad_data: parse",
        ),
        (503, vector("0.1"), "status 503"),
        (503, "Service Unavailable", "status 503, Service Unavailable"),
        (302, "", "status 302, nothing else"),
        (200, "<html>login</html>", "status 200, <html>login</html>"),
        (200, "[1]", "status 200, [1]"),
        (200, "[" * 100_000, "status 200"),
        (200, "", "status 200, nothing else"),
    ],
)
def test_whatever_is_no_value_is_no_answer(status: int, body: str, reason: str) -> None:
    """It is neither good nor bad, and it is told what came instead."""
    reply = of_prometheus("q", 0.5, Answer(status, body))
    assert reply.kind is Kind.NONE
    assert reason in reply.reason
    assert len(reply.reason) < 300


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["status", "data", "resultType", "result", "value", "error"]) | st.text(),
                inner,
            )
        ),
    )
)
def test_any_json_is_a_reply(data: Any) -> None:
    """No answer breaks the judgement, and none but a finite number is good or bad."""
    assert of_prometheus("q", 0.5, Answer(200, json.dumps(data))).kind in Kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [(0, Kind.GOOD), (1, Kind.BAD), (2, Kind.BAD), (125, Kind.BAD)]
    + [(status, Kind.NONE) for status in (75, 126, 127, 128, 130, 137, 143, 255)],
)
def test_exit_statuses(status: int, kind: Kind) -> None:
    """Those of the command itself are good or bad; the shell's, signals and 75 are no answer."""
    assert of_command("./check", Completed(status, ("last",))).kind is kind


def test_what_ended_a_command_is_named() -> None:
    """A killed command, one that is not there, and one of which nothing is known."""
    reasons = [of_command("./check", Completed(status)).reason for status in (137, 127, 255)]
    assert reasons == [
        "`./check` exited with 137: SIGKILL ended it",
        "`./check` exited with 127: it was not found",
        "`./check` exited with 255",
    ]


def verdict(kinds: str, *, bad: int = 3, baked: bool = True) -> Verdict | None:
    """The verdict after replies: `g`ood, `b`ad, and `-` for none."""
    replies = Replies()
    for kind in kinds:
        replies = replies.after(Reply({"g": Kind.GOOD, "b": Kind.BAD, "-": Kind.NONE}[kind]))
    return replies.verdict(bad, baked=baked)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("g", Verdict.PASS),
        ("bbg", Verdict.PASS),
        ("----g", Verdict.PASS),
        ("bbgbb", None),
        ("bbb", Verdict.FAIL),
        ("b-b-b", Verdict.FAIL),
        ("gbbb", Verdict.FAIL),
        ("g-", None),
        ("g" + "-" * UNANSWERED, Verdict.UNDECIDED),
        ("bb" + "-" * UNANSWERED, Verdict.UNDECIDED),
        ("", None),
    ],
)
def test_the_verdict_after_the_bake(kinds: str, expected: Verdict | None) -> None:
    """Bad replies in a row decide, no answer is asked for again up to a limit, and the last word is good."""
    assert verdict(kinds) is expected


def test_only_bad_replies_decide_before_the_bake_is_over() -> None:
    """A good release passes only after its bake, and an answer may still come."""
    assert verdict("g", baked=False) is None
    assert verdict("-" * 20, baked=False) is None
    assert verdict("bbb", baked=False) is Verdict.FAIL
    assert verdict("b", bad=1, baked=False) is Verdict.FAIL
