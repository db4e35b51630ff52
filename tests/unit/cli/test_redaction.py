"""What comes from a variable is neither shown nor kept; what people must be able to read stays readable."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import json
import shlex
import timeit
from collections.abc import Callable
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.cli.redaction import Redaction
from rollout.decisions.progress import NodeProgress
from rollout.domain import Outcome, Server, Step
from rollout.events import (
    KINDS,
    CommandSent,
    DeploymentFinished,
    DeploymentStarted,
    NodeFinished,
    OutputSeen,
    ServerNoted,
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


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("http://{host}:8000/hunter2", "asked http://10.0.0.1:8000/hunter2 in vain"),
        ("tcp://LB.Example.com:9999", "tcp://lb.example.com:9999: connection refused"),
        ("ssh://deploy@lb1.example.com/run/lb.sock", "/run/lb.sock: permission denied"),
        ("ssh://deploy@lb1.example.com/run/lb.sock", "lb1.example.com: no route"),
        ("me@bastion.example.com:22,there.example.com", "bastion.example.com: no route"),
        ("~/.ssh/hunter2", "no key in /home/me/.ssh/hunter2"),
        ("it's hunter2", "touch '/run/it'\"'\"'s hunter2'"),
        ("ein schlüssel", '"ein schl\\u00fcssel"'),
        ("a key & more", "GET http://web1/a%20key%20%26%20more"),
    ],
)
def test_a_value_is_known_in_whatever_form_it_is_shown(value: str, shown: str) -> None:
    """Filled in, in small letters, a part of it, or quoted for a shell, for JSON or for a URL."""
    masked = Redaction([value]).text(shown)
    assert "***" in masked
    for part in ("hunter2", "example", "lb.sock", "schl", "key"):
        assert part not in masked.removeprefix("no key in")


PRINTED: dict[str, Callable[[str], str]] = {
    "base64": lambda value: _base64(value),
    "base64 of a user and a password": lambda value: f"Authorization: Basic {_base64(f'ann:{value}')}",
    "base64 in the middle": lambda value: _base64(f"ab{value}xyz"),
    "url-safe base64": lambda value: base64.urlsafe_b64encode(f"a{value}?>".encode()).decode(),
    "base64 without its padding": lambda value: _base64(value).rstrip("="),
    "hex": lambda value: value.encode().hex(),
    "HEX": lambda value: value.encode().hex().upper(),
    "a form": lambda value: f"POST token={quote_plus(value)}",
    "a query": lambda value: f"GET /?token={quote(value, safe='')}",
    "a page": lambda value: f"<b title='{html.escape(value)}'>",
    "another page": lambda value: (
        f"<b>{html.escape(value).replace('&quot;', '&#34;').replace('&#x27;', '&#39;')}"
    ),
    "JSON": lambda value: json.dumps({"token": value}),
    "JSON in JSON": lambda value: json.dumps(json.dumps({"token": value})),
    "JSON for pages": lambda value: (
        json.dumps(value).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    ),
    "JSON with slashes": lambda value: json.dumps(value).replace("/", "\\/"),
    "Python": lambda value: repr({"token": value}),
    "Python bytes": lambda value: repr(value.encode()),
    "a shell": lambda value: f"+ login {shlex.quote(value)}",
    "a shell that traces": lambda value: "+ login '" + value.replace("'", "'\\''") + "'",
    "colours": lambda value: f"\x1b[01;31m\x1b[K{value[:5]}\x1b[m\x1b[K{value[5:]}",
    "a link": lambda value: f"{value[:3]}\x1b]8;;http://x\x1b\\{value[3:]}",
    "what does not show": lambda value: "\u200b".join(value),
}


@pytest.mark.parametrize("how", PRINTED)
@pytest.mark.parametrize(
    "value", ["hunter2-and-more", "a&b <c> \"d\" 'e'", "über/alles+mehr", "p=ss?wörd%20~", "k3y\\n0t/"]
)
def test_a_value_is_known_however_a_program_prints_it(how: str, value: str) -> None:
    """Encoded, escaped or coloured: what is left looks the same for another value, but for two characters of
    base64, of which a value decides some bits."""
    left = [Redaction([one]).text(f"said: {PRINTED[how](one)} .") for one in (value, value[::-1])]
    assert all("***" in text for text in left)
    if "base64" in how:
        assert len(left[0]) == len(left[1])
        assert sum(a != b for a, b in zip(*left, strict=True)) <= 2
    else:
        assert left[0] == left[1]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@given(value=st.text(min_size=4, max_size=40), before=st.text(max_size=5), after=st.text(max_size=5))
def test_no_base64_gets_through(value: str, before: str, after: str) -> None:
    """Whatever stands before and after the value: what is left of it cannot be decoded to a character."""
    value, before, after = (text.encode(errors="replace").decode() for text in (value, before, after))
    masked = Redaction([value]).text(_base64(before + value + after))
    left = masked.partition("***")
    assert left[1]
    size = len(before.encode()) * 8
    assert len(left[0]) * 6 < size + 14


@pytest.mark.parametrize("width", [20, 64, 76])
@pytest.mark.parametrize("shift", range(4))
def test_a_value_is_known_over_several_lines(width: int, shift: int) -> None:
    """A key in base64, of which a line has 64 or 76 characters; with a name before it, too."""
    value = hashlib.sha512(b"a key").hexdigest() + hashlib.sha512(b"another").hexdigest()
    redaction = Redaction([value])
    for text in (value, _base64("u" * shift + value)):
        lines = [text[at : at + width] for at in range(0, len(text), width)]
        printed = [redaction.event(OutputSeen("web1", Step.RESTART, f"  {line} ")) for line in lines]
        shown = [event.text.strip() for event in printed if isinstance(event, OutputSeen)]
        assert shown[1:-1] == ["***"] * (len(lines) - 2)
        assert all("***" in one or len(one) < 12 for one in shown)
        assert len(shown[0]) < 12


def test_a_key_in_base64_leaves_nothing_of_its_lines() -> None:
    """A long value of many lines is known by its lines, in a base64 of the whole file, too."""
    lines = [hashlib.sha256(bytes([number])).hexdigest() for number in range(20)]
    key = "\n".join(["-----BEGIN KEY-----", *lines, "-----END KEY-----", ""])
    redaction = Redaction([key])
    whole = _base64(f"{key}")
    folded = [whole[at : at + 76] for at in range(0, len(whole), 76)]
    for text in (redaction.text(whole), *map(redaction.printed, folded)):
        assert "***" in text
        assert all(len(left) <= 10 for left in text.split("***"))


def test_a_line_that_ends_like_a_value_is_left_alone_where_it_is_no_print() -> None:
    """A release may be a part of a value, and must be found again."""
    event = DeploymentFinished(Outcome.DONE, 1.0, "2024.11.30-1")
    assert Redaction(["registry.example.com/shop:2024.11.30-1"]).event(event) == event


def test_masking_takes_no_longer_with_many_values() -> None:
    """Commands print many lines: a hundred values, each in all its forms, cost less than four times what one
    costs."""
    line = "2024-11-30 12:00:00 INFO shop.workers: fetched 42 of 1024 items, retrying https://example.com/a"
    one, many = (
        Redaction(f"s3cret-{number * 7919:x}-value" for number in range(count)) for count in (1, 100)
    )

    def seconds(redaction: Redaction) -> float:
        return min(timeit.repeat(lambda: redaction.printed(line), number=200, repeat=5))

    assert seconds(many) < 4 * seconds(one)


def test_a_line_that_was_cut_does_not_end_with_the_beginning_of_a_value() -> None:
    """Lines are cut at 4,000 characters; shorter ones end as they end."""
    redaction = Redaction([SECRET])
    assert redaction.text("." * 3_993 + SECRET[:7]) == "." * 3_993 + "***"
    assert redaction.text(f"a {SECRET[:7]}") == f"a {SECRET[:7]}"


def test_placeholders_alone_are_no_value() -> None:
    """A template of nothing but `{host}` masks nothing."""
    assert Redaction(["{host}", "{node}:{release}"]).text("web1 is up") == "web1 is up"


def test_a_masked_name_is_found_again() -> None:
    """A server's name that comes from a variable is kept as one that tells nothing but its own."""
    noted = Redaction([SECRET]).event(ServerNoted("web1", "lb1", "shop", f"s-{SECRET}", 0, 1, "UP"))
    assert isinstance(noted, ServerNoted)
    assert SECRET not in noted.server
    node = NodeProgress("web1", servers=(noted,))
    assert node.server_before(Server("lb1", "shop", f"s-{SECRET}"))
    assert not node.server_before(Server("lb1", "shop", f"t-{SECRET}"))
    assert not node.server_before(Server("lb1", "shop", noted.server + "x"))


KEYS_OF_THE_INVENTORY = {"node", "nodes", "skipped", "load_balancer", "load_balancers", "target"}


@given(data=st.data(), kind=st.sampled_from(sorted(KINDS)))
def test_no_event_gets_a_value_through(data: st.DataObject, kind: str) -> None:
    """Whichever event it is, and whichever of its texts has the value in it."""
    texts = st.text("ab \n'☃", max_size=5).map(lambda text: f"{text}{SECRET}{text}")
    fields = {
        item.name: data.draw(_values(get_type_hints(KINDS[kind])[item.name], texts))
        for item in dataclasses.fields(KINDS[kind])
    }
    written = to_fields(Redaction([SECRET]).event(KINDS[kind](**fields)))
    own = {"inventory", "user", "host"} if kind == "DeploymentStarted" else set()
    told = {name: value for name, value in written.items() if name not in KEYS_OF_THE_INVENTORY | own}
    assert SECRET not in json.dumps(told)


def _values(hint: Any, texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Values of a type, in which every text comes from `texts`."""
    if get_origin(hint) is UnionType:
        return st.one_of([_values(choice, texts) for choice in get_args(hint)])
    if get_origin(hint) is tuple:
        return st.lists(texts, max_size=2).map(tuple)
    return texts if hint is str else st.from_type(hint)


TEXTS = st.text("ab1 \n\\'☃")


@given(values=st.lists(TEXTS.filter(lambda value: len(value) > 3)), before=TEXTS, after=TEXTS)
def test_no_value_gets_through(values: list[str], before: str, after: str) -> None:
    """Whatever the values and the texts around them, and however they overlap."""
    redaction = Redaction(values)
    for value in values:
        assert value not in redaction.text(before + value + after)
        assert value not in redaction.text(before + value[1:] + value + after)
