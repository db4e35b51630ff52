"""The simulated HAProxy says and does what a real one does: one suite, run against both."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from rollout.adapters.haproxy.replies import parse_reading
from rollout.domain import CheckResult, Reading, ServerState
from rollout.remote import runtime
from tests.simulation.expected import ERRORS, STATES, UNCHECKED_STATES
from tests.simulation.loop import run
from tests.simulation.subjects import Simulated, Subject, real
from tests.support.haproxy import chosen, find
from tests.support.until import until_seen

_SELDOM, _OFTEN = 60.0, 0.05
"""Seconds between checks: so that none comes between, and so that they come soon."""
_LOOK = "show info;show servers state;show stat -1 4 -1"
_FRESH = (
    "api/web1 state ready; shop/web1 state ready; shop/web1 health up; shop/web1 weight 1; "
    "raw/web1 state ready; raw/web1 health up; raw/web1 weight 4; raw/off state maint"
)

Scenario = Callable[[Subject], Coroutine[Any, Any, None]]
Both = Callable[[Scenario, float], None]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    real = [pytest.param(version, marks=pytest.mark.haproxy) for version in chosen(metafunc.config)]
    metafunc.parametrize("both", ["simulated", *real], indirect=True)


@pytest.fixture
def both(request: pytest.FixtureRequest) -> Both:
    """Runs a scenario, with so many seconds between checks, against the simulated HAProxy or a real one."""
    if request.param == "simulated":

        async def simulated(scenario: Scenario, inter: float) -> None:
            await scenario(Simulated(inter))

        return lambda scenario, inter: run(simulated(scenario, inter))
    binary = find(request.param)

    async def against_real(scenario: Scenario, inter: float) -> None:
        async with real(binary, inter) as subject:
            await scenario(subject)

    return lambda scenario, inter: asyncio.run(against_real(scenario, inter))


async def look(subject: Subject, before: str = "") -> dict[str, ServerState]:
    """Every server, right after the commands `before`, which all must succeed."""
    commands = [f"set server {command.strip()}" for command in before.split(";") if command.strip()]
    reply = await subject.ask(";".join(["set severity-output number", *commands, _LOOK]))
    answered, _, shown = reply.partition("Name: ")
    assert answered == "\n" * (len(commands) + 1), f"{before}: {answered}"
    reading = parse_reading("lb1", _LOOK, f"Name: {shown}").reading
    return {state.server.path: state for state in reading.servers}


def process_of(info: str) -> str:
    return next(line for line in info.split("\n") if line.startswith("Pid: "))


def brief(state: ServerState) -> str:
    health = f" {state.check_health}" if state.checked else ""
    return f"{state.status} {int(state.operational)} {int(state.admin)}{health}"


async def until_first_check(subject: Subject) -> None:
    async def passed() -> bool:
        return (await look(subject))["shop/web1"].check_status == "L7OK"

    await until_seen(passed, "the first check")


async def until_shown(subject: Subject, path: str, wanted: str) -> ServerState:
    """Wait until a server is shown as `wanted`: its status, op, adm and check_health."""
    last = ""

    async def shown() -> bool:
        nonlocal last
        last = brief((await look(subject))[path])
        return re.fullmatch(wanted, last) is not None

    try:
        await until_seen(shown, wanted, within=5.0)
    except AssertionError:
        raise AssertionError(f"{path} is {last}, not {wanted}") from None
    return (await look(subject))[path]


def test_states_after_commands(both: Both) -> None:
    """Each sequence of commands leads to the same states."""

    async def scenario(subject: Subject) -> None:
        await until_first_check(subject)
        for sent, wanted in STATES.items():
            await look(subject, _FRESH)
            commands = sent.replace("shop ", "shop/web1 ").replace("api ", "api/web1 ")
            seen = await look(subject, commands)
            assert f"{brief(seen['shop/web1'])} | {brief(seen['api/web1'])}" == wanted, sent
        for sent, wanted in UNCHECKED_STATES.items():
            await look(subject, _FRESH)
            assert brief((await look(subject, sent))[sent.split()[0]]) == wanted, sent

    both(scenario, _SELDOM)


def test_what_is_shown_of_a_server(both: Both) -> None:
    """Weights, backups, tracking and checks are where the adapter looks for them."""

    async def scenario(subject: Subject) -> None:
        await until_first_check(subject)
        seen = await look(subject, "shop/web2 weight 3; raw/web1 weight 50%")
        assert list(seen) == [
            "shop/web1",
            "shop/web2",
            "api/web1",
            "api/web2",
            "raw/web1",
            "raw/off",
            "raw/web2",
        ]
        assert [(state.weight, state.configured_weight) for state in seen.values()][1:5:3] == [(3, 7), (2, 4)]
        assert [path for path, state in seen.items() if state.checked] == ["shop/web1", "shop/web2"]
        assert [path for path, state in seen.items() if state.backup] == ["api/web2"]
        assert [state.tracks for state in seen.values()][:3] == ["", "", "shop/web1"]
        assert all(state.idle and not state.agent_checked for state in seen.values())
        # Paused checks are not shown, only their last result is.
        held = (await look(subject, "shop/web1 state maint"))["shop/web1"]
        assert (held.check_status, held.check_result, held.checked) == ("", 3, True)

    both(scenario, _SELDOM)


def test_errors(both: Both) -> None:
    """Each mistake is answered with the same words, marked as an error, amid commands that succeed."""

    async def scenario(subject: Subject) -> None:
        for command, message in ERRORS.items():
            fine = "set server shop/web2 weight 7"
            line = f"set severity-output number;{fine};{command};{fine}"
            assert await subject.ask(line) == f"\n\n[3]: {message}\n\n\n", command
        assert await subject.ask("set server shop/nope state drain") == "No such server.\n\n"
        assert (await subject.ask("set severity-output number;frob")).startswith("\n[6]: Unknown command")
        assert await subject.ask("set severity-output number;show cli level") == "\n[6]: admin\n\n"

    both(scenario, _SELDOM)


def test_what_is_shown_of_a_backend(both: Both) -> None:
    """One backend alone, by name and by number; a number that no backend has is no error."""

    async def scenario(subject: Subject) -> None:
        states = await subject.ask("show servers state api")
        assert [line.split()[3] for line in states.split("\n")[2:4]] == ["web1", "web2"]
        assert states.endswith("\n\n")
        rows = (await subject.ask("show stat 5 4 -1")).split("\n")
        assert [row.split(",")[:2] for row in rows[1:3]] == [["api", "web1"], ["api", "web2"]]
        assert rows[3:] == ["", ""]
        assert len((await subject.ask("show stat 99 4 -1")).split("\n")) == 3
        alone = (await subject.ask("show stat 5 4 2")).split("\n")
        assert [row.split(",")[:2] for row in alone[1:]] == [["api", "web2"], [""], [""]]
        assert len((await subject.ask("show stat 5 4 99")).split("\n")) == 3

    both(scenario, _SELDOM)


def test_a_check_that_fails(both: Both) -> None:
    """A server goes DOWN after `fall` bad answers and is back after `rise` good ones, with what tracks it."""

    async def scenario(subject: Subject) -> None:
        await until_shown(subject, "shop/web1", "UP 2 0 4")
        subject.page(503)
        assert (await until_shown(subject, "shop/web1", "DOWN 0 0 0")).check_status == "L7STS"
        assert brief((await look(subject))["api/web1"]) == "DOWN 0 0"
        await look(subject, "shop/web1 state drain")
        await until_shown(subject, "shop/web1", "DOWN 0 8 0")
        await look(subject, "shop/web1 state ready")
        subject.page(200)
        await until_shown(subject, "shop/web1", "UP 2 0 4")
        assert brief((await look(subject))["api/web1"]) == "UP 2 0"
        subject.page(None)
        assert (await until_shown(subject, "shop/web1", "DOWN 0 0 0")).check_status == "L4CON"

    both(scenario, _OFTEN)


def test_a_page_that_says_404(both: Both) -> None:
    """NOLB at the first 404, UP at the first 200; from DOWN a 404 leads nowhere."""

    async def scenario(subject: Subject) -> None:
        await until_shown(subject, "shop/web1", "UP 2 0 4")
        subject.page(404)
        assert (await until_shown(subject, "shop/web1", "NOLB 3 0 4")).check_status == "L7OKC"
        assert brief((await look(subject))["api/web1"]) == "NOLB 3 0"
        subject.page(200)
        await until_shown(subject, "shop/web1", "UP 2 0 4")
        subject.page(404)
        await until_shown(subject, "shop/web1", "NOLB 3 0 4")
        await look(subject, "shop/web1 health down")

        async def failed() -> bool:
            return (await look(subject))["shop/web1"].check_result == 2

        await until_seen(failed, "a check while it is DOWN")
        assert brief((await look(subject))["shop/web1"]) == "DOWN 0 0 0"

    both(scenario, _OFTEN)


def test_only_fresh_checks_bring_a_server_back(both: Both) -> None:
    """Drained and set down it comes up again by `rise` checks, one after the other, and stays drained."""

    async def scenario(subject: Subject) -> None:
        await until_shown(subject, "shop/web1", "UP 2 0 4")
        subject.page(503)
        await look(subject, "shop/web1 state maint")
        await look(subject, "shop/web1 state drain; shop/web1 health down")
        await until_shown(subject, "shop/web1", "DOWN 0 8 0")
        subject.page(200)
        await until_shown(subject, "shop/web1", "DOWN 1/2 0 8 1")
        await until_shown(subject, "shop/web1", "DRAIN 2 8 4")
        assert brief((await look(subject, "shop/web1 state ready"))["shop/web1"]) == "UP 2 0 4"

    both(scenario, _OFTEN)


def test_a_twin(both: Both) -> None:
    """A server that is added is checked at once, as no other is, and is shown as another server until it is
    removed."""

    async def scenario(subject: Subject) -> None:
        await until_first_check(subject)
        original = (await look(subject, "shop/web1 state drain; shop/web1 health down"))["shop/web1"]
        subject.page(503)
        adding = runtime.add_twin(original, (), "60s")
        assert await answered(subject, adding) == "\n" * 5
        assert brief(await twin(subject)) == "DOWN 0 8 0"
        await until_twin(subject, CheckResult.FAILED)
        assert "[3]: " in await answered(subject, adding)
        assert "[3]: " in await answered(subject, [f"del server {original.server.twin.path}"])
        subject.page(200)
        await until_twin(subject, CheckResult.PASSED)
        assert brief(await twin(subject)) == "DRAIN 2 8 1"
        assert brief((await look(subject))["shop/web1"]) == "DOWN 0 8 0"
        assert await answered(subject, runtime.remove_twin(original.server.twin)) == "\n" * 3
        assert (await shown(subject)).twins == ()
        assert "[3]: No such server." in await answered(subject, runtime.remove_twin(original.server.twin))

    both(scenario, _SELDOM)


async def answered(subject: Subject, commands: Sequence[str]) -> str:
    """What is answered to commands, without the words of success."""
    reply = await subject.ask(";".join(["set severity-output number", *commands]))
    reply = reply.replace("[6]: New server registered.\n", "")
    return re.sub(r"\[[56]\]: Server deleted.\n\n?", "\n", reply)


async def shown(subject: Subject) -> Reading:
    return parse_reading("lb1", _LOOK, await subject.ask(_LOOK)).reading


async def twin(subject: Subject) -> ServerState:
    (state,) = (await shown(subject)).twins
    return state


async def until_twin(subject: Subject, result: CheckResult) -> None:
    async def has() -> bool:
        return (await twin(subject)).check_result is result

    await until_seen(has, f"{result.name} of the twin")


def test_a_reload_forgets(both: Both) -> None:
    """A new process knows nothing of what was set by the socket, and takes an unchecked server for UP."""

    async def scenario(subject: Subject) -> None:
        await until_first_check(subject)
        before = process_of(await subject.ask("show info"))
        await look(subject, "shop/web1 state maint; api/web1 state drain; shop/web2 weight 0")
        await subject.reload()
        assert process_of(await subject.ask("show info")) != before
        seen = await look(subject)
        assert re.fullmatch(r"UP( 1/3)? 2 0 [24]", brief(seen["shop/web1"]))
        assert seen["api/web1"].admin == 0
        assert seen["shop/web2"].weight == 7

    both(scenario, _SELDOM)
