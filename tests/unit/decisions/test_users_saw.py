"""Who failed the users of a deployment: the servers of a release, or HAProxy itself."""

from __future__ import annotations

from collections.abc import Mapping

from rollout.decisions.counter_totals import Backend
from rollout.decisions.users_saw import OTHER_SERVERS, Share, users_saw
from rollout.domain import Counters
from rollout.events import Served, UsersSaw
from tests.support.states import server


def share(release: str, path: str, asked: int, errors: int = 0, *, on: str = "lb1") -> Share:
    return Share(release, server(path, on=on), Counters(requests=asked, errors=errors))


def told(
    backends: Mapping[Backend, Counters], *shares: Share
) -> tuple[UsersSaw | None, dict[str, tuple[int, int]]]:
    """What users saw in all, and of each release."""
    events = list(users_saw(backends, shares))
    served = {each.release: (each.requests, each.errors) for each in events if isinstance(each, Served)}
    return next((each for each in events if isinstance(each, UsersSaw)), None), served


def test_what_no_server_answered_is_haproxys() -> None:
    """Of 30 errors, 10 are those of the new release; HAProxy found no server for 20 requests."""
    saw, served = told(
        {("lb1", "shop"): Counters(requests=1020, errors=30)},
        share("1", "shop/web1", 600),
        share("2", "shop/web2", 400, 10),
    )
    assert saw == UsersSaw(requests=1020, errors=30, by_haproxy=20)
    assert served == {"1": (600, 0), "2": (400, 10)}


def test_what_was_tried_again_is_no_error() -> None:
    """A server failed 50 times, but users saw only 3 of them; they are the worst release's."""
    saw, served = told(
        {("lb1", "shop"): Counters(requests=1000, errors=3)},
        share("1", "shop/web1", 500, 1),
        share("2", "shop/web2", 500, 50),
    )
    assert saw == UsersSaw(requests=1000, errors=3, by_haproxy=0)
    assert served == {"1": (500, 0), "2": (500, 3)}


def test_backends_and_load_balancers_are_added_up() -> None:
    """A node in two backends of two load balancers: errors of one backend explain none of another's."""
    saw, served = told(
        {
            ("lb1", "shop"): Counters(requests=100, errors=5),
            ("lb1", "api"): Counters(requests=50, errors=2),
            ("lb2", "shop"): Counters(requests=10, broken=4),
        },
        share("2", "shop/web1", 95, 0),
        share("2", "api/web1", 48, 9),
        share("2", "shop/web1", 10, 0, on="lb2"),
    )
    assert saw == UsersSaw(requests=164, errors=11, by_haproxy=9)
    assert served == {"2": (153, 2)}


def test_servers_of_nobody_are_named_apart() -> None:
    """The backend has a server that is no node: what it failed is no release's."""
    saw, served = told(
        {("lb1", "shop"): Counters(requests=200, errors=7)},
        share("2", "shop/web1", 100),
        share(OTHER_SERVERS, "shop/legacy", 100, 7),
    )
    assert saw == UsersSaw(requests=200, errors=7, by_haproxy=0)
    assert served == {"2": (100, 0), OTHER_SERVERS: (100, 7)}


def test_nobody_came() -> None:
    """Without a request there is nothing to say."""
    assert told({("lb1", "shop"): Counters()}, share("2", "shop/web1", 0)) == (None, {})


def test_counters_that_run_ahead_are_no_errors() -> None:
    """HAProxy raises its counters one after the other: below zero is not an error, and none is made up."""
    ahead = Counters(requests=100, broken=-3)
    assert (ahead.asked, ahead.failed) == (100, 0)
