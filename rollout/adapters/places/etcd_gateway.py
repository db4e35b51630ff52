"""etcd's JSON gateway: whichever member of the cluster answers, with TLS and with a user's token."""

from __future__ import annotations

import asyncio
import functools
import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

import httpx

from rollout.adapters.http import FAILURES
from rollout.adapters.places.etcd_errors import (
    AUTHENTICATION_OFF,
    MemberFailed,
    declined,
    no_member,
    not_etcd,
    token_refused,
    unreachable,
)
from rollout.adapters.places.etcd_keys import Json
from rollout.deadline import Deadline
from rollout.domain import EtcdAddress
from rollout.errors import PlaceError, PlaceRefused

_SILENT = 3.0
"""Seconds of silence after which the next member is asked. etcd finds another leader in less."""
_ELECTION = 5.0
"""Seconds for which members that have no leader are asked again."""
_LOOK_AGAIN = 0.2
"""Seconds between two rounds of asking."""
_QUIET = 10.0
"""Seconds without a change after which a watch ends, since the connection may be dead."""

T = TypeVar("T")


class Gateway:
    """The members of an etcd. A request may be carried out twice: where an answer is lost, the next is asked.

    Every method that awaits raises PlaceError, PlaceRefused, and Declined where etcd says no.
    """

    def __init__(self, address: EtcdAddress) -> None:
        self._address = address
        self._members = list(address.members)
        self._login = asyncio.Lock()
        self._token: str | None = None

    async def ask(self, path: str, body: Json) -> Json:
        """The answer to a request at `/v3/path`."""
        return await self._of_any(lambda member: self._answer(member, path, body))

    async def watch(self, keys: Json) -> AsyncGenerator[None, None]:
        """An item as soon as the keys are watched, and one after each change. Ends after a while without."""
        response = await self._of_any(lambda member: self._stream(member, {"create_request": keys}))
        try:
            async for line in response.aiter_lines():
                said = json.loads(line)
                if "error" in said or said.get("result", {}).get("canceled"):
                    self._token = None  # it may be the reason
                    raise PlaceError(f"etcd ended the watch: {line[:300]}")
                yield
        except httpx.ReadTimeout:
            return
        except (*FAILURES, ValueError) as error:
            raise PlaceError(f"etcd's watch broke: {error}") from error
        finally:
            await response.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        if "_client" in self.__dict__:
            await self._client.aclose()

    @functools.cached_property
    def _client(self) -> httpx.AsyncClient:
        """A client that ignores proxies set in the environment. Raises PlaceRefused."""
        verify = self._trusted() if self._address.ca else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        transport = httpx.AsyncHTTPTransport(verify=verify, trust_env=False)
        return httpx.AsyncClient(transport=transport, trust_env=False)

    def _trusted(self) -> ssl.SSLContext:
        file = self._address.ca
        try:
            context = ssl.create_default_context(cafile=file)
            if self._address.certificate:
                file = f"{self._address.certificate} with {self._address.key}"
                # A key with a passphrase is refused; OpenSSL would ask the terminal for it.
                context.load_cert_chain(self._address.certificate, self._address.key, password="")
        except (OSError, ValueError) as error:
            raise PlaceRefused(
                f"{file} cannot be used for etcd: {error}", hint="correct ca, cert and key under `state`"
            ) from error
        return context

    async def _of_any(self, asked: Callable[[str], Awaitable[T]]) -> T:
        """The answer of the member that answered last, or else of the first one that does."""
        deadline = Deadline(_ELECTION)
        while True:
            failures: list[MemberFailed] = []
            for member in tuple(self._members):
                try:
                    answer = await asked(member)
                except MemberFailed as failure:
                    failures.append(failure)
                    continue
                self._members.remove(member)
                self._members.insert(0, member)
                return answer
            if deadline.passed or not any(failure.electing for failure in failures):
                raise no_member(failures)
            await asyncio.sleep(_LOOK_AGAIN)

    async def _answer(self, member: str, path: str, body: Json) -> Json:
        response = await self._accepted(member, path, body)
        try:
            answer = dict(json.loads(response.content))
        except ValueError as error:
            raise not_etcd(member, response.status_code) from error
        if "error" in answer:  # a stream's, after which it has no other status
            raise declined(member, response, self._address)
        return answer

    async def _stream(self, member: str, body: Json) -> httpx.Response:
        try:
            async with asyncio.timeout(_SILENT):
                return await self._accepted(member, "watch", body, stream=True)
        except TimeoutError as error:
            raise unreachable(member, error, _SILENT, tls=bool(self._address.ca)) from error

    async def _accepted(self, member: str, path: str, body: Json, *, stream: bool = False) -> httpx.Response:
        """The response of a member that carries out a request; a token that is no longer valid is renewed."""
        token = await self._authorised(member)
        response = await self._sent(member, path, body, token, stream=stream)
        if token_refused(response) and self._address.user:
            if self._token == token:
                self._token = None
            token = await self._authorised(member)
            response = await self._sent(member, path, body, token, stream=stream)
        if not response.is_success:
            raise declined(member, response, self._address)
        return response

    async def _authorised(self, member: str) -> str:
        """The user's token; empty where there is no user, or etcd asks nobody."""
        if not self._address.user:
            return ""
        async with self._login:
            if self._token is None:
                named = {"name": self._address.user, "password": self._address.password}
                response = await self._sent(member, "auth/authenticate", named, "")
                if response.is_success:
                    self._token = str(response.json()["token"])
                else:
                    refusal = declined(member, response, self._address)
                    if AUTHENTICATION_OFF not in str(refusal):
                        raise refusal
                    self._token = ""
            return self._token

    async def _sent(
        self, member: str, path: str, body: Json, token: str, *, stream: bool = False
    ) -> httpx.Response:
        """The response of a member; of a stream that is accepted only the beginning. Raises MemberFailed."""
        client = self._client
        request = client.build_request(
            "POST",
            f"{'https' if self._address.ca else 'http'}://{member}/v3/{path}",
            json=body,
            headers={"Authorization": token} if token else {},
            timeout=httpx.Timeout(_SILENT, read=_QUIET if stream else _SILENT),
        )
        try:
            response = await client.send(request, stream=stream)
            if stream and not response.is_success:
                await response.aread()
        except FAILURES as error:
            raise unreachable(member, error, _SILENT, tls=bool(self._address.ca)) from error
        return response
