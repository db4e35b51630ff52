"""Who else may say that a release is bad: the probe, Prometheus, a command."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from test_judged import becomes, halted

from rollout.domain import Outcome
from rollout.events import Probed, StepFailed
from tests.support.rolling import rolling
from tests.support.until import until
from tests.support.web import Page, WebApp, web_app

RESULT = {"resultType": "vector", "result": [{"metric": {}, "value": [1_700_000_000, "0.4"]}]}


def bakes(**judge: Any) -> dict[str, Any]:
    return {"strategy": {"bake": "200ms", "judge": {"wait": 0, **judge}}}


def answers(prometheus: WebApp, value: str) -> None:
    data = {**RESULT, "result": [{"metric": {}, "value": [1_700_000_000, value]}]}
    prometheus.pages["/api/v1/query"] = Page(200, json.dumps({"status": "success", "data": data}))


async def asked_of_prometheus(binary: Path, value: str, outcome: Outcome) -> str:
    """Why steps failed in a deployment, whose outcome must be that, while Prometheus answers `value`."""
    async with web_app("prometheus") as prometheus:
        answers(prometheus, value)
        asked = {"url": f"http://{prometheus.address}", "query": 'failed{node="{node}"}', "max": 0.5}
        async with rolling(binary, 2, **bakes(prometheus=asked)) as it:
            assert await it.deployment.run() is outcome
            return "; ".join(event.reason for event in it.here.told(StepFailed))


async def test_prometheus_has_a_say(haproxy_binary: Path) -> None:
    """A value within its limit is well; a larger one takes the node out, with the query and the figure."""
    assert await asked_of_prometheus(haproxy_binary, "0.4", Outcome.DONE) == ""
    told = await asked_of_prometheus(haproxy_binary, "0.7", Outcome.FAILED)
    assert told == 'prometheus: `failed{node="web1"}` is 0.7; the limit is 0.5'
    told = await asked_of_prometheus(haproxy_binary, "NaN of nothing", Outcome.FAILED)
    assert "did not return a single value" in told


async def test_a_command_has_a_say(haproxy_binary: Path) -> None:
    """It runs here, for each node, and its last lines are told when it fails."""
    line = 'echo "about $ROLLOUT_NODE"; test "$ROLLOUT_NODE" != web2'
    async with rolling(haproxy_binary, 3, **bakes(command=line)) as it:
        assert await it.deployment.run() is Outcome.FAILED
        assert it.finished() == ["web1"]
        (failed,) = it.here.told(StepFailed)
        assert failed.tail == ("about web2",)
        assert halted(it).judged


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
