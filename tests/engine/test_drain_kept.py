"""A node that is drained by hand, to stay out over a reload of HAProxy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rollout.engine.by_hand import drain_node
from rollout.engine.site import survey
from rollout.errors import StepFailure
from rollout.events import StepFinished
from tests.support.rolling import Rolling, rolling

pytestmark = pytest.mark.every_haproxy


async def drain(it: Rolling) -> None:
    seen = await survey(it.site)
    await drain_node(it.site, "web1", seen, it.here.events.append, allow_outage=False, keep=True)


async def test_where_haproxy_loads_a_state_file_it_lasts(haproxy_binary: Path) -> None:
    """The next process has the node in maintenance, and the drain says that it will."""
    async with rolling(haproxy_binary, 2) as it:
        await drain(it)
        (done,) = it.here.told(StepFinished)
        assert "it stays out over a reload or restart of HAProxy" in done.detail
        await it.here.balancers[0].reload(as_it_is=True)
        assert await it.status("web1") == "MAINT"


async def test_where_nothing_makes_it_last_that_is_a_failure(haproxy_binary: Path) -> None:
    """The node is drained all the same, and the failure says what a reload does and what helps."""
    async with rolling(haproxy_binary, 2, settings=("load-server-state-from-file none",)) as it:
        with pytest.raises(StepFailure, match="it takes no traffic now, but a reload or restart") as failure:
            await drain(it)
        assert "lb1: its HAProxy loads no state file" in str(failure.value)
        assert "stop the application on web1" in str(failure.value.hint)
        assert await it.status("web1") == "MAINT"
        await it.here.balancers[0].reload(as_it_is=True)
        assert (await it.status("web1")).startswith("UP")  # a failed check makes it `UP 1/2`


async def test_a_health_page_goes_on_to_answer_404(haproxy_binary: Path) -> None:
    """What keeps the node out is on the node, so no reload ends it."""
    down, up = ({"method": method, "url": "http://{host}:8000/_drain"} for method in ("PUT", "DELETE"))
    page: Any = {"health_page": {"request": {"down": down, "up": up}}}
    async with rolling(haproxy_binary, 2, drain=page) as it:
        await drain(it)
        assert it.here.apps["web1"].pages["/_status"].status == 404
