"""A node is healthy when its own page has been right often enough without a break, and not before."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest

from rollout.adapters.http import HttpxClient
from rollout.adapters.local import LocalHost
from rollout.domain import Step
from rollout.engine.claim import Claim
from rollout.engine.context import NodeContext
from rollout.engine.health_page import prove_healthy
from rollout.engine.log import StepLog
from rollout.errors import StepFailure
from rollout.events import Event, Progressed
from rollout.inventory.health import Health
from tests.support.states import inventory

NEVER = b""
"""The connection stays open and nothing is said."""
BROKEN = b"garbage\r\n\r\n"


def page(status: int = 200, body: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


OK = page()


class Node:
    """A health page that says one thing after the other, and goes on with the last."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = [*answers]
        self.asked = 0
        self.port = 0

    async def __aenter__(self) -> Node:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            if answer == NEVER:
                await reader.read()
            writer.write(answer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def health(node: Node, **changes: Any) -> Health:
    settings = {"interval": "1ms", "timeout": "20s", "successes": 1, "http": f"http://{{host}}:{node.port}/"}
    return Health.model_validate(settings | changes)


def run(
    node: Node,
    work: Callable[[NodeContext, StepLog], Awaitable[None]],
    *,
    new: str | None = None,
) -> list[str]:
    """What was told while a node that is up was worked on."""
    events: list[Event] = []

    async def go() -> None:
        client = HttpxClient()
        context = NodeContext(
            name="web1",
            inventory=inventory(nodes={"web1": {"host": "127.0.0.1"}}),
            release=new,
            host=LocalHost("web1"),
            http=client,
            environment={},
            here=LocalHost("here"),
            public=client,
            claim=Claim(LocalHost("web1"), "shop/web1", "alice on laptop"),
        )
        try:
            async with asyncio.timeout(15), node:
                await work(context, StepLog(events.append, "web1", Step.VERIFY))
        finally:
            await client.aclose()

    asyncio.run(go())
    return [event.detail for event in events if isinstance(event, Progressed)]


def verified(node: Node, *, new: str | None = None, draining: bool = False, **changes: Any) -> list[str]:
    """What was told until the node was healthy; `new` is the release that it must run."""
    return run(
        node,
        lambda context, log: prove_healthy(context, health(node, **changes), log, draining=draining),
        new=new,
    )


def failed(node: Node, *, new: str | None = None, draining: bool = False, **changes: Any) -> str:
    """Why the node was not healthy in time."""
    with pytest.raises(StepFailure) as caught:
        verified(node, new=new, draining=draining, timeout="600ms", **changes)
    return str(caught.value).partition(": ")[2]


def test_right_answers_must_come_in_a_row() -> None:
    """With `successes: 3` the third right answer ends the waiting, and each is told."""
    node = Node(OK)
    assert verified(node, successes=3) == [f"{number} of 3 right answers" for number in (1, 2, 3)]
    assert node.asked == 3


def test_a_wrong_answer_begins_the_count_anew() -> None:
    """A page that flaps is not healthy, however many right answers there were in all."""
    node = Node(OK, OK, page(503), OK, BROKEN, OK, OK, page(500), OK, OK, OK)
    assert verified(node, successes=3)[-4:] == ["answered 500, not 200", *_counted(3)]
    assert node.asked == 11


def _counted(times: int) -> Iterator[str]:
    return (f"{number} of {times} right answers" for number in range(1, times + 1))


def test_a_page_that_flaps_for_ever_is_not_healthy() -> None:
    """Its two right answers in a row never come."""
    node = Node(*[OK, page(503)] * 5000)
    assert failed(node, successes=2) in (
        "answered 503, not 200",
        "only 1 of 2 right answers in a row",
        "no answer after 1 of 2 right answers",
    )


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([page(503)], "answered 503, not 200"),
        ([page(500), page(503)], "answered 503, not 200"),
        ([page(302)], "answered 302, not 200"),
        ([page(404)], "answered 404, not 200"),
        ([NEVER], "no answer"),
        ([page(503), NEVER], "answered 503, not 200"),
        ([OK, NEVER], "no answer after 1 of 5 right answers"),
        ([BROKEN], "illegal status line"),
    ],
)
def test_it_fails_with_what_was_wrong_last(answers: Sequence[bytes], reason: str) -> None:
    """After the timeout, not before, with a reason that is never empty."""
    assert reason in failed(Node(*answers), successes=5)


def test_the_failure_names_the_page_and_the_time() -> None:
    """A person can ask the same page by hand."""
    node = Node(page(503))
    with pytest.raises(StepFailure) as caught:
        verified(node, timeout="600ms")
    where = f"http://127.0.0.1:{node.port}/"
    assert str(caught.value) == f"{where} was not healthy within 0.6 s: answered 503, not 200"
    assert caught.value.hint


def test_the_old_release_is_not_taken_for_the_new_one() -> None:
    """An old process that still answers 200 does not count, nor does it beside the new one."""
    old, new = page(body='{"version": "1.4.1"}'), page(body='{"version": "1.4.2"}')
    reported = {"json": "version"}
    assert failed(Node(old), new="1.4.2", release=reported) == "it runs 1.4.1, not 1.4.2"
    assert failed(Node(OK), new="1.4.2", release=reported) == "it does not report a release"
    node = Node(old, new, old, new, new)
    assert verified(node, new="1.4.2", release=reported, successes=2)[-1] == "2 of 2 right answers"
    assert node.asked == 5


def test_a_rolling_restart_takes_any_release() -> None:
    """Without a release there is none to compare with."""
    node = Node(page(body='{"version": "1.4.1"}'))
    assert verified(node, release={"json": "version"}) == ["1 of 1 right answers"]


def test_a_page_that_was_told_to_answer_404_may() -> None:
    """Draining by the page, 404 is the right answer of a node that is well; 503 is not."""
    verified(Node(page(404)), draining=True)
    assert failed(Node(page(503)), draining=True) == "answered 503, not 200"


def test_where_nothing_listens_it_is_asked_again_at_once() -> None:
    """An interval of a minute is not waited for when the connection is refused: asking costs nothing."""
    node = Node(OK)

    async def appears_later(context: NodeContext, log: StepLog) -> None:
        await node.__aexit__()
        refused = itertools.count(1)
        often = asyncio.Event()

        def progress(detail: str, sessions: int | None = None) -> None:
            if next(refused) == 3:
                often.set()

        log.progress = progress  # type: ignore[method-assign]
        waiting = asyncio.ensure_future(
            prove_healthy(context, health(node, interval="1m", timeout="2m"), log)
        )
        await often.wait()
        await node.__aenter__()
        await waiting

    run(node, appears_later)
    assert node.asked == 1


def test_nothing_that_ever_listens_is_a_refused_connection() -> None:
    """The reason is what every try said."""
    node = Node(OK)

    async def gone(context: NodeContext, log: StepLog) -> None:
        await node.__aexit__()
        with pytest.raises(StepFailure, match=r"not healthy within 0\.2 s: connection refused$"):
            await prove_healthy(context, health(node, timeout="200ms"), log)

    assert run(node, gone) == ["connection refused"]


def test_a_page_that_answers_only_sometimes_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """One answer that does not come is one wrong answer, not the end."""
    monkeypatch.setattr("rollout.engine.health_page.REQUEST_TIMEOUT", 0.5)
    told = verified(Node(OK, NEVER, OK, OK), successes=2)
    assert told == [
        "1 of 2 right answers",
        "no answer within 0.5 s",
        "1 of 2 right answers",
        "2 of 2 right answers",
    ]


def test_what_stays_the_same_is_told_once() -> None:
    """A page that says 503 for a minute is one line in the journal."""
    assert verified(Node(*[page(503)] * 20, OK)) == ["answered 503, not 200", "1 of 1 right answers"]
