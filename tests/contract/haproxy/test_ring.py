"""What HAProxy logs to a ring, read over its socket again and again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from rollout.adapters.haproxy.ring import Rings
from rollout.domain import TimedAnswer
from rollout.errors import CommandRejected
from tests.support.shop import CHECKED, shop
from tests.support.until import until, until_seen
from tests.support.visitors import crowd

LOGGED = ("log ring@requests local0", "option httplog")

every_haproxy = pytest.mark.every_haproxy


@every_haproxy
@pytest.mark.parametrize(
    ("log_format", "ring_format"),
    [("option httplog", "rfc3164"), ("option httplog clf", "rfc5424"), ("option httpslog", "raw")],
)
async def test_each_answer_is_read_once_with_its_server_and_its_time(
    haproxy_binary: Path, log_format: str, ring_format: str
) -> None:
    """Those that are in the ring already, and those that come, whatever the format of its lines."""
    settings, ring = ("log ring@requests local0", log_format), (f"format {ring_format}", "size 1048576")
    async with shop(haproxy_binary, {"shop": CHECKED}, settings=settings, ring=ring) as here:
        lb = here.haproxies["lb1"]
        here.apps["web2"].delay = 0.05
        answers = list[TimedAnswer]()

        async def read(total: int) -> bool:
            logged = await lb.logged()
            assert logged is not None
            assert logged.ring == "requests"
            assert not logged.unreadable
            answers.extend(logged.answers)
            return len(answers) >= total

        async with crowd(here.balancers[0], "shop", size=2, fresh=True) as seen:
            await until_seen(lambda: read(60), "requests")
        await until_seen(lambda: read(seen.total), "the last lines")
        assert not await read(seen.total + 1)
        by_server = Counter(answer.server.path for answer in answers)
        assert by_server == {f"shop/{name}": answered for name, answered in seen.answers.items()}
        assert all(answer.milliseconds >= 50 for answer in answers if answer.server.name == "web2")
        assert any(answer.milliseconds < 50 for answer in answers if answer.server.name == "web1")


@every_haproxy
async def test_a_reload_begins_another_ring(haproxy_binary: Path) -> None:
    """Nothing of it is missed or read twice, and nothing keeps the old process alive."""
    async with shop(haproxy_binary, {"shop": CHECKED}, settings=LOGGED, ring=("size 65536",)) as here:
        (balancer,), lb = here.balancers, here.haproxies["lb1"]

        async def missing() -> int:
            async with crowd(balancer, "shop", size=1, pause=0.01) as seen:
                await until(lambda: seen.total >= 10, "requests")
            logged = await lb.logged()
            assert logged is not None
            return seen.total - len(logged.answers)

        assert await missing() == 0
        await balancer.reload()
        await until(lambda: balancer.old_processes() == 0, "the end of the old process")
        assert await missing() == 0


@every_haproxy
async def test_a_small_ring_shows_the_latest_and_loses_nothing_for_others(haproxy_binary: Path) -> None:
    """More is logged between two looks than the ring holds: what it holds is read, and no line is dropped."""
    async with shop(haproxy_binary, {"shop": CHECKED}, settings=LOGGED, ring=("size 16384",)) as here:
        (balancer,), lb = here.balancers, here.haproxies["lb1"]
        async with crowd(balancer, "shop", size=8) as seen:
            for total in range(400, 2400, 400):
                await until(lambda total=total: seen.total > total, "requests")
                logged = await lb.logged()
                assert logged is not None
                assert 50 < len(logged.answers) == logged.lines < 400
                assert "dropped" not in await balancer.ask("show events requests")


@pytest.mark.parametrize("settings", [(), ("log ring@requests local0", 'log-format "%b %s %Tr"')])
async def test_without_a_ring_or_with_a_format_of_its_own_there_are_no_answers(
    haproxy_binary: Path, settings: tuple[str, ...]
) -> None:
    """The two are told apart: only one of them has lines that say nothing."""
    ring = () if settings else None
    async with shop(haproxy_binary, {"shop": CHECKED}, settings=settings, ring=ring) as here:
        async with crowd(here.balancers[0], "shop") as seen:
            await until(lambda: seen.total > 20, "requests")
        found = await here.haproxies["lb1"].logged()
        assert (found is None) == (not settings)
        assert found is None or found.unreadable


async def test_a_user_of_the_socket_may_not_read_rings(haproxy_binary: Path) -> None:
    """That is no format that is unknown."""
    async with shop(haproxy_binary, {"shop": CHECKED}, settings=LOGGED, ring=()) as here:
        with pytest.raises(CommandRejected, match="Permission denied"):
            await here.balancers[0].haproxy("user").logged()


async def test_of_very_many_lines_a_sample_is_parsed() -> None:
    """However many there are at once, and from all of the time."""

    async def ask(line: str) -> str:
        if line == "show events":
            return "\n    requests   : type=buffer, 0 dropped, requests\n"
        lines = (f"c:1 [x] shop shop/web1 0/0/0/{number}/7 200 52 - - ----" for number in range(50_000))
        return "\n" + "\n".join(lines) + "\n\n"

    logged = await Rings("lb1", ask).logged()
    assert logged is not None
    assert logged.lines == 50_000
    times = [answer.milliseconds for answer in logged.answers]
    assert len(times) < 2_100
    assert min(times) < 100
    assert max(times) > 49_900
