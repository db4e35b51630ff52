"""Who else may say that a release is bad: the probe, Prometheus, a command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_judged import becomes, halted

from rollout.decisions.opinion import UNANSWERED
from rollout.domain import Outcome
from rollout.engine.deployment import Deployment
from rollout.engine.steps import second_opinion
from rollout.events import Halted, OpinionHeard, Paused, Probed, StepFailed, StepFinished, Warned
from tests.support.loopback import own_address
from tests.support.rolling import Rolling, rolling
from tests.support.until import until
from tests.support.visitors import crowd
from tests.support.web import Page, WebApp, web_app

QUERY = 'failed{node="{node}"}'


def value(text: str) -> Page:
    """What Prometheus answers when the query has that value."""
    data = {"resultType": "vector", "result": [{"metric": {}, "value": [1_700_000_000, text]}]}
    return Page(200, json.dumps({"status": "success", "data": data}))


NO_ANSWERS = {
    "NaN": value("NaN"),
    "-Inf": value("-Inf"),
    "an error": Page(200, json.dumps({"status": "error", "errorType": "timeout", "error": "too slow"})),
    "a 503 with a value": Page(503, value("0.1").body),
    "no JSON": Page(200, "<html>log in</html>"),
}


class Prometheus(WebApp):
    """Gives its answers one after the other, and the last for ever; `None` is no answer at all."""

    def __init__(self, *answers: Page | None) -> None:
        super().__init__("prometheus")
        self._answers = list(answers)

    async def answer(self, method: str, target: str) -> Page:
        self.requests[target] += 1
        page = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if page is None:
            await asyncio.sleep(60)
        assert page is not None
        return page


def bakes(bake: str = "200ms", **judge: Any) -> dict[str, Any]:
    return {"strategy": {"bake": bake, "judge": {"wait": 0, **judge}}}


@asynccontextmanager
async def judged_by(
    binary: Path,
    *answers: Page | None,
    bake: str = "200ms",
    canary: int = 0,
    judge: Any = None,
    **settings: Any,
) -> AsyncIterator[Rolling]:
    """A deployment of two nodes about which Prometheus is asked often."""
    prometheus = Prometheus(*answers)
    await prometheus.start()
    asked = {"url": f"http://{prometheus.address}", "query": QUERY, "max": 0.5, "every": "20ms", **settings}
    try:
        strategy = {
            "bake": bake,
            "canary": canary,
            "judge": {"wait": 0, "prometheus": asked, **(judge or {})},
        }
        async with rolling(binary, 2, strategy=strategy) as it:
            yield it
    finally:
        prometheus.stop()


def failures(it: Rolling) -> str:
    return "; ".join(event.reason for event in it.here.told(StepFailed))


def replies(it: Rolling, node: str = "web1") -> list[str]:
    return [event.reply for event in it.here.told(OpinionHeard) if event.node == node]


async def test_prometheus_has_a_say(haproxy_binary: Path) -> None:
    """A value within its limit is well; a larger one takes the node out, with the query and the figure."""
    async with judged_by(haproxy_binary, value("0.4")) as it:
        assert await it.deployment.run() is Outcome.DONE
        assert replies(it) == ["good"]
    async with judged_by(haproxy_binary, value("0.7")) as it:
        assert await it.deployment.run() is Outcome.FAILED
        assert failures(it) == 'prometheus: `failed{node="web1"}` is 0.7; the limit is 0.5'
        assert halted(it).judged
        assert await it.status("web1") == "MAINT"


async def test_a_bad_release_is_found_in_the_middle_of_its_bake(haproxy_binary: Path) -> None:
    """The third bad value in a row ends a bake that would take a minute."""
    async with judged_by(haproxy_binary, value("0.1"), value("0.9"), bake="60s") as it:
        assert await asyncio.wait_for(it.deployment.run(), 20) is Outcome.FAILED
        assert replies(it) == ["good", "bad", "bad", "bad"]


async def test_a_spike_is_forgiven(haproxy_binary: Path) -> None:
    """Two bad values are not three in a row, neither in the middle nor at the end of the bake."""
    answers = [value(text) for text in ("0.9", "0.9", "0.1", "0.9", "0.9", "0.1")]
    async with judged_by(haproxy_binary, *answers, bake="90ms") as it:
        assert await it.deployment.run() is Outcome.DONE
        assert it.here.told(Halted) == []


@pytest.mark.parametrize("answer", NO_ANSWERS)
async def test_no_answer_is_neither_good_nor_bad(haproxy_binary: Path, answer: str) -> None:
    """The deployment halts with the reason: the release is not blamed, and the canary keeps serving."""
    async with judged_by(haproxy_binary, NO_ANSWERS[answer], canary=1) as it:
        assert await it.deployment.run() is Outcome.FAILED
        assert f"prometheus gave no answer {UNANSWERED} times in a row: " in failures(it)
        assert (halted(it).judged, halted(it).gave_up) == (False, False)
        assert halted(it).reason.startswith("web1 could not be judged: prometheus")
        assert it.drained_from() == ["web1"]
        assert await it.status("web1") == "UP"
        assert replies(it) == ["none"]


async def test_one_answer_that_fails_to_come_is_asked_for_again(
    haproxy_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a time-out, nor a 503, nor NaN halts anything while good values follow."""
    monkeypatch.setattr(second_opinion, "_ANSWER", 0.1)
    answers = (None, Page(503, "starting"), value("NaN"), value("0.1"))
    async with judged_by(haproxy_binary, *answers, bake="50ms") as it:
        assert await it.deployment.run() is Outcome.DONE
        reasons = [event.reason for event in it.here.told(OpinionHeard) if event.node == "web1"]
        assert reasons == ["no answer within 0.1 s", '`failed{node="web1"}` is 0.1']


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "https://{plain}", "http://nowhere.invalid"])
async def test_a_prometheus_that_is_not_there(haproxy_binary: Path, url: str) -> None:
    """A closed port, no TLS behind the port, an unknown name: no answer, and never the release's fault."""
    plain = await asyncio.start_server(lambda _, writer: writer.close(), own_address(), 8000)
    host, port = plain.sockets[0].getsockname()
    async with plain, judged_by(haproxy_binary, value("0.1"), url=url.format(plain=f"{host}:{port}")) as it:
        assert await it.deployment.run() is Outcome.FAILED
        assert "prometheus gave no answer" in failures(it)
        assert not halted(it).judged


async def test_undecided_goes_on_with_a_warning(haproxy_binary: Path) -> None:
    """With `undecided: go-on` all nodes are rolled, and each is named."""
    async with judged_by(haproxy_binary, value("NaN"), judge={"undecided": "go-on"}) as it:
        assert await it.deployment.run() is Outcome.DONE
        warned = [event.node for event in it.here.told(Warned) if "gave no answer" in event.message]
        assert warned == ["web1", "web2"]


async def test_undecided_asks(haproxy_binary: Path) -> None:
    """With `undecided: ask` each node waits until somebody promotes the deployment."""
    judge = {"undecided": "ask", "min_requests": 1}
    async with (
        judged_by(haproxy_binary, value("NaN"), judge=judge) as it,
        crowd(it.here.balancers[0], "shop", pause=0.01),
    ):
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.deployment.paused, "the first pause")
        assert it.drained_from() == ["web1"]
        it.deployment.promote("bob")
        await until(lambda: it.finished() == ["web1"] and it.deployment.paused, "the second pause")
        it.deployment.promote("bob")
        assert await running is Outcome.DONE
        assert all("prometheus gave no answer" in event.reason for event in it.here.told(Paused))


@pytest.mark.parametrize(
    ("text", "told"), [("0.9", "would have judged the release bad"), ("NaN", "would have been undecided")]
)
async def test_a_shadow_decides_nothing(haproxy_binary: Path, text: str, told: str) -> None:
    """What it would have decided is told, and all nodes are rolled."""
    async with judged_by(haproxy_binary, value(text), shadow=True) as it:
        assert await it.deployment.run() is Outcome.DONE
        warned = [event.message for event in it.here.told(Warned) if event.node == "web1"]
        assert len(warned) == 1
        assert told in warned[0]
        assert all(event.shadow for event in it.here.told(OpinionHeard))


async def test_a_shadow_that_is_content_says_so(haproxy_binary: Path) -> None:
    """Its verdict stands with the bake's."""
    async with judged_by(haproxy_binary, value("0.1"), shadow=True) as it:
        assert await it.deployment.run() is Outcome.DONE
        details = [event.detail for event in it.here.told(StepFinished) if event.step == "bake"]
        assert all("prometheus would have passed it" in detail for detail in details)


async def test_a_command_has_a_say(haproxy_binary: Path) -> None:
    """It runs here, once for each node, and its last lines are told when it fails."""
    line = 'echo "about $ROLLOUT_NODE"; test "$ROLLOUT_NODE" != web2'
    async with rolling(haproxy_binary, 3, **bakes(command=line)) as it:
        assert await it.deployment.run() is Outcome.FAILED
        assert it.finished() == ["web1"]
        (failed,) = it.here.told(StepFailed)
        assert failed.tail == ("about web2",)
        assert halted(it).judged


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/nowhere/at/all", "exited with 127: it was not found"),
        ("/etc/passwd", "exited with 126: it could not be executed"),
        ("kill -9 $$", "exited with 137: SIGKILL ended it"),
        ("exit 75", "exited with 75: it cannot tell now"),
        ("exit 255", "exited with 255"),
        ("sleep 60", "did not end within 0.1 s"),
    ],
)
async def test_a_command_that_could_not_look_blames_nobody(
    haproxy_binary: Path, line: str, told: str
) -> None:
    """It is run again up to a limit; then the deployment halts, and the node keeps serving."""
    settings = {"command": line, "timeout": "100ms" if "sleep" in line else "10s", "every": "20ms"}
    async with rolling(haproxy_binary, 2, **bakes(command=settings)) as it:
        assert await it.deployment.run() is Outcome.FAILED
        assert f"command gave no answer {UNANSWERED} times in a row: " in failures(it)
        assert told in failures(it)
        assert not halted(it).judged
        assert await it.status("web1") == "UP"


async def test_a_command_that_is_run_all_through_the_bake(haproxy_binary: Path, tmp_path: Path) -> None:
    """With `every`, two bad runs in a row end a long bake; one alone did not."""
    line = f"echo x >> {tmp_path}/runs; case $(wc -l < {tmp_path}/runs) in 1 | 3 | 4) exit 1; esac"
    settings = {"command": line, "every": "20ms", "bad": 2}
    async with rolling(haproxy_binary, 2, **bakes("60s", command=settings)) as it:
        assert await asyncio.wait_for(it.deployment.run(), 20) is Outcome.FAILED
        assert replies(it) == ["bad", "good", "bad", "bad"]
        assert halted(it).judged


async def test_a_rollback_is_not_judged(haproxy_binary: Path) -> None:
    """The release that it puts back is known: nobody is asked, so nobody can keep it from serving."""
    async with judged_by(haproxy_binary, value("0.9")) as it:
        back, record = replace(it.plan, back=True), it.here.events.append
        assert await Deployment(it.site, back, 1, {}, record, allow_outage=False).run() is Outcome.DONE
        assert it.here.told(OpinionHeard) == []


async def test_the_probe_halts_when_users_see_failures(haproxy_binary: Path) -> None:
    """It asks the public address all along; more failures than are allowed halt, and all are counted."""
    async with web_app("public") as public:
        public.pages["/"] = Page(503)
        probe = {"url": f"http://{public.address}/", "every": "10ms", "max_failures": 3}
        async with rolling(haproxy_binary, 3, probe=probe) as it:
            held = it.hold("web1")
            running = asyncio.create_task(it.deployment.run())
            await until(lambda: bool(it.deployment.halted), "the probe to halt it")
            held.set()
            assert await running is Outcome.FAILED
            assert "failed 4 times, most recently: status 503" in halted(it).reason
            (seen,) = it.here.told(Probed)
            assert seen.failed >= 4


async def test_the_probe_of_a_good_deployment(haproxy_binary: Path) -> None:
    """No failure, and how long answers took."""
    async with web_app("public") as public:
        probe = {"url": f"http://{public.address}/", "every": "10ms"}
        async with rolling(haproxy_binary, 2, probe=probe) as it:
            becomes(it, "web1")
            assert await it.deployment.run() is Outcome.DONE
            (seen,) = it.here.told(Probed)
            assert (seen.failed, seen.asked > 5) == (0, True)
