import asyncio
import socket

from lab_support import StartLab, restart

from rollout.lab.traffic import Traffic
from tests.support.until import until


async def test_traffic_counts_every_answer(start_lab: StartLab) -> None:
    """A quiet lab answers everything; each node has its share, slow requests are among them."""
    lab = start_lab(nodes=2, load_balancers=2)
    async with Traffic(lab.urls, rate=200) as traffic:
        await traffic.flowing()
        await until(lambda: traffic.result.sent >= 300, "300 requests")
    result = traffic.result
    assert result.lost == 0
    assert result.sent == result.answered == len(result.latencies) >= 300
    assert set(result.releases) == {"1"}
    assert result.nodes("1") == {"web1", "web2"}
    assert 0 < result.latency(0.5) <= result.latency(0.99) <= result.latency(1.0)
    assert "0 lost" in str(result)


async def test_traffic_counts_what_is_lost(start_lab: StartLab) -> None:
    """When the only node is killed, answers that are not 200 are counted by kind, and none goes missing."""
    lab = start_lab(nodes=1, kill=True, start=0.5, retries=0)
    async with Traffic(lab.urls, rate=200) as traffic:
        await traffic.flowing()
        await asyncio.to_thread(restart, lab.nodes[0], "2")
        await until(lambda: bool(traffic.result.nodes("2")), "an answer of release 2")
    result = traffic.result
    assert result.losses["status 503"] > 0
    assert result.sent == result.answered + result.lost
    assert set(result.releases) == {"1", "2"}
    assert "× status 503" in str(result)


async def test_traffic_to_nobody_says_so() -> None:
    """No answer at all is an error that names the address."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        async with Traffic([url], rate=100) as traffic:
            await until(lambda: traffic.result.sent >= 10, "10 requests")
    assert traffic.result.losses == {"ConnectionRefusedError": traffic.result.sent}
