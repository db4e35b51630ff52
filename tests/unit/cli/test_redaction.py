"""What comes from a variable is neither shown nor kept; what people must be able to read stays readable."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rollout.cli.redaction import Redaction
from rollout.domain import Outcome, Step
from rollout.events import (
    CommandSent,
    DeploymentFinished,
    DeploymentStarted,
    NodeFinished,
    OutputSeen,
    StepFailed,
    to_fields,
)

SECRET = "hunter2-and-more"


def test_every_occurrence_is_masked() -> None:
    """Anywhere in a text, as often as it is there."""
    assert Redaction([SECRET]).text(f"a{SECRET}b {SECRET}") == "a***b ***"


def test_a_value_is_text_and_no_pattern() -> None:
    """Characters that mean something in a pattern are themselves."""
    assert Redaction(["a.c(*"]).text("abc(* a.c(*") == "abc(* ***"


def test_the_longest_value_wins() -> None:
    """A value that begins another one does not leave its rest behind."""
    assert Redaction(["secret", "secret-longer"]).text("secret-longer secret") == "*** ***"


def test_short_values_are_not_masked() -> None:
    """A variable that holds `1` would make all output unreadable; four characters are masked."""
    redaction = Redaction(["1", "", "abc", "abcd"])
    assert redaction.text("1 of 2, abc") == "1 of 2, abc"
    assert redaction.text("abcd") == "***"


def test_nothing_to_mask_leaves_all_as_it_is() -> None:
    """Without variables, texts and events stay the same."""
    event = OutputSeen("web1", Step.RESTART, "hello")
    assert Redaction().text("hello") == "hello"
    assert Redaction().event(event) == event


def test_a_value_of_several_lines_is_masked_line_by_line() -> None:
    """A command prints a key's lines one after the other."""
    redaction = Redaction(["-----BEGIN KEY-----\nAAAABBBB\r\nCCCCDDDD\n"])
    assert redaction.text("got AAAABBBB") == "got ***"
    assert redaction.text("CCCCDDDD") == "***"


def test_a_value_is_masked_where_a_message_quotes_it() -> None:
    """Quoted by Python, a backslash or a line end looks different."""
    value = "back\\slash\nand 'quotes'"
    assert Redaction([value]).text(f"does not contain {value!r}") in (
        "does not contain '***'",
        'does not contain "***"',
    )


def test_printable_masks_and_makes_harmless() -> None:
    """A value is found before its control characters are written out; lines stay lines."""
    assert Redaction(["pass\x1bword"]).printable("a pass\x1bword\nb\x1b[31m") == "a ***\nb\\x1b[31m"


def test_every_text_of_an_event_is_masked() -> None:
    """Lines, output, reasons, hints and the last lines of output."""
    masks = Redaction([SECRET])
    failed = StepFailed("web1", Step.RESTART, 1.0, SECRET, hint=f"try {SECRET}", tail=("ok", f"x{SECRET}"))
    assert masks.event(failed) == StepFailed(
        "web1", Step.RESTART, 1.0, "***", hint="try ***", tail=("ok", "x***")
    )
    sent = CommandSent("web1", Step.RELEASE, "web1", f"login {SECRET}")
    assert masks.event(sent) == CommandSent("web1", Step.RELEASE, "web1", "login ***")


def test_words_of_our_own_are_not_masked_in_events() -> None:
    """A variable may hold `restart` or `failed`; a step and an outcome are no texts."""
    masks = Redaction(["restart", "failed"])
    assert masks.event(OutputSeen("web1", Step.RESTART, "restart")) == OutputSeen("web1", Step.RESTART, "***")
    finished = DeploymentFinished(Outcome.FAILED, 1.0, "web1 failed")
    assert masks.event(finished) == DeploymentFinished(Outcome.FAILED, 1.0, "web1 ***")


def test_names_of_the_inventory_stay() -> None:
    """With `${STAGE}` = prod, the node prod-web1 must be found again in the journal, and so its file."""
    masks = Redaction(["prod", "laptop", "deploy"])
    started = DeploymentStarted(
        service="shop",
        release="prod-7",
        nodes=("prod-web1", "prod-web2"),
        skipped=("prod-web3",),
        load_balancers=("prod-lb",),
        window=1,
        canary=0,
        inventory="prod.yml",
        user="deploy",
        host="laptop",
        pid=1,
    )
    assert to_fields(masks.event(started)) == to_fields(started) | {"release": "***-7"}
    finished = NodeFinished("prod-web1", 1.0)
    assert masks.event(finished) == finished


def test_a_document_is_masked_all_through() -> None:
    """Values in lists and dictionaries at any depth; keys, numbers and names stay."""
    document = {
        SECRET: [SECRET, 1, None, True],
        "nodes": [{"name": SECRET, "lines": [{"target": SECRET, "line": SECRET}]}],
        "left_out": [SECRET],
        "deep": {"deeper": ({"deepest": SECRET},)},
    }
    assert Redaction([SECRET]).value(document) == {
        SECRET: ["***", 1, None, True],
        "nodes": [{"name": SECRET, "lines": [{"target": SECRET, "line": "***"}]}],
        "left_out": [SECRET],
        "deep": {"deeper": ({"deepest": "***"},)},
    }


TEXTS = st.text("ab1 \n\\'☃")


@given(values=st.lists(TEXTS.filter(lambda value: len(value) > 3)), before=TEXTS, after=TEXTS)
def test_no_value_gets_through(values: list[str], before: str, after: str) -> None:
    """Whatever the values and the texts around them, and however they overlap."""
    redaction = Redaction(values)
    for value in values:
        assert value not in redaction.text(before + value + after)
        assert value not in redaction.text(before + value[1:] + value + after)
