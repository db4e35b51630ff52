"""etcd as a place that does not let everybody in: TLS and users; and what is no etcd at all."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from rollout.adapters.places.etcd import EtcdPlace
from rollout.adapters.places.etcd_keys import Keys
from rollout.domain import EtcdAddress, Publication
from rollout.errors import PlaceError, PlaceRefused
from tests.support.certificates import Authority
from tests.support.etcd import Etcd
from tests.support.etcd_place import opened, taken
from tests.support.folders import ONE
from tests.support.sshd import free_port


@pytest.fixture(scope="module")
def secure(etcd_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    """One member that speaks TLS alone, and asks for a certificate."""
    folder = tmp_path_factory.mktemp("secure")
    with Etcd(etcd_program, folder, authority=Authority(folder)) as etcd:
        yield etcd


@pytest.fixture
def guarded(etcd_program: Path, tmp_path: Path) -> Iterator[Etcd]:
    """One member with the users ann, who may use /rollout/, and bob, who may not."""
    with Etcd(etcd_program, tmp_path) as etcd:
        for name in ("root", "ann", "bob"):
            etcd.ask(0, "auth/user/add", name=name, password=f"word of {name}")
            etcd.ask(0, "auth/role/add", name=name)
            etcd.ask(0, "auth/user/grant", user=name, role=name)
        allowed = {"permType": "READWRITE", **Keys("/rollout/").span("")}
        etcd.ask(0, "auth/role/grant", name="ann", perm=allowed)
        etcd.ask(0, "auth/enable")
        yield etcd


async def refusal(address: EtcdAddress, kind: type[PlaceError] = PlaceRefused) -> str:
    """The message of a place that refuses, with what to do."""
    async with opened(address) as place:
        with pytest.raises(kind) as refused:
            await place.look()
    return f"{refused.value} → {refused.value.hint}"


async def told_of_a_change(place: EtcdPlace) -> None:
    """Be told of a request to the holder, long before anybody would look for one."""
    async with aclosing(place.changes(60, facts=False)) as changes, asyncio.timeout(20):
        assert await anext(changes), "whoever begins to watch looks"
        await place.ask("halt", "cid")
        assert await anext(changes)


async def test_tls_with_a_certificate_of_ones_own(secure: Etcd) -> None:
    """The place works, its watch included."""
    async with opened(secure.address()) as place:
        epoch = await taken(place)
        await place.publish(ONE, epoch, Publication(1, 0, ["{}"]))
        await told_of_a_change(place)
        assert list((await place.look()).facts) == ["{}"]


async def test_tls_that_does_not_fit(secure: Etcd, tmp_path: Path) -> None:
    """Each reason is said with the member and what to correct: an unknown authority, no certificate or one of
    somebody else's, no TLS, and files that are not there."""
    (member,) = secure.members
    other = Authority(tmp_path, "other")
    stranger = other.issue("stranger")
    files = {"certificate": str(stranger.certificate), "key": str(stranger.key)}
    unknown = await refusal(secure.address(ca=str(other.certificate)))
    assert f"{member}: TLS: " in unknown
    assert "unable to get local issuer certificate" in unknown
    for changes in ({"certificate": "", "key": ""}, files):
        told = await refusal(secure.address(**changes), PlaceError)
        assert f"{member}: " in told
        assert re.search("cert and key( under `state`|$)", told)
    told = await refusal(secure.address(ca="", certificate="", key=""), PlaceError)
    assert f"{member}: it ended the connection" in told
    assert "its members under `state`; and ca, since it may speak TLS alone" in told
    assert "/nowhere.pem cannot be used for etcd: " in await refusal(secure.address(ca="/nowhere.pem"))
    assert "/nowhere.key cannot be used for etcd: " in await refusal(secure.address(key="/nowhere.key"))


async def test_tls_where_there_is_none(etcd: Etcd, tmp_path: Path) -> None:
    """The member is named, too."""
    authority = str(Authority(tmp_path).certificate)
    assert f"{etcd.members[0]}: TLS: " in await refusal(etcd.address(ca=authority))


async def test_a_user_with_a_password(guarded: Etcd) -> None:
    """May do all that a place does; its token is renewed when etcd has ended it."""
    async with opened(guarded.address(user="ann", password="word of ann")) as place:
        epoch = await taken(place)
        await told_of_a_change(place)
        root = guarded.ask(0, "auth/authenticate", name="root", password="word of root")["token"]
        guarded.ask(0, "auth/user/changepw", root, name="ann", password="word of ann")
        await place.publish(ONE, epoch, Publication(1, 0, ["{}"], memory="{}", summary="{}"))
        await place.prune(ONE, [1])
        await place.drop(ONE)


@pytest.mark.parametrize(
    ("user", "password", "told"),
    [
        ("", "", "asks for a user → give `user` and `password` under `state`"),
        ("ann", "hunter2", "refused the password of the user ann → check `user` and `password`"),
        ("cid", "hunter2", "refused the password of the user cid → check `user` and `password`"),
        ("bob", "word of bob", "does not let the user bob use /rollout → etcdctl role grant-permission"),
    ],
)
async def test_a_user_who_may_not(guarded: Etcd, user: str, password: str, told: str) -> None:
    """Each reason is said with the member; the password is not."""
    message = await refusal(guarded.address(user=user, password=password))
    assert f"etcd at {guarded.members[0]} {told}" in message
    assert "hunter2" not in message


async def test_a_password_where_nobody_is_asked(etcd: Etcd) -> None:
    """etcd without users lets everybody in."""
    async with opened(etcd.address(user="ann", password="word"), "unasked") as place:
        await taken(place)


async def test_who_answers_is_not_etcd(etcd_program: Path, tmp_path: Path) -> None:
    """A web server, or nobody at all."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        told = await refusal(EtcdAddress((f"127.0.0.1:{port}",), "/rollout"))
        assert f"127.0.0.1:{port}: HTTP status 200 is no answer of etcd's JSON gateway" in told
    nobody = f"127.0.0.1:{free_port('127.0.0.1')}"
    told = await refusal(EtcdAddress((nobody,), "/rollout"), PlaceError)
    assert f"{nobody}: connection refused → check that etcd runs, and its members under `state`" in told
