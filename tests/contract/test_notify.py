"""Messages to a real HTTP server, about real deployments on this machine."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollout.adapters import webhook
from rollout.cli import notify
from rollout.cli.notify import Outbox
from rollout.errors import RequestFailed
from tests.support.command import rollout, write_inventory
from tests.support.loopback import own_address
from tests.support.receiver import Receiver, receiver

NODES = {name: {"host": "127.0.0.1", "ssh": "local"} for name in ("web1", "web2")}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of the tests are asked directly, whatever whoever runs them has set."""
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def write(folder: Path, notify: dict[str, str], **sections: Any) -> Path:
    given = {"nodes": NODES, "release": {"command": "true"}, "restart": "none", **sections}
    return write_inventory(folder / "rollout.yml", {**given, "notify": notify})


def deploy(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    ran = rollout(*(words or ("deploy", "--release", "2.0")), inventory=path)
    assert "Traceback" not in ran.stdout + ran.stderr
    return ran


def test_start_and_end(tmp_path: Path, server: Receiver) -> None:
    """Both are told as JSON, and to Slack in words."""
    path = write(tmp_path, {"webhook": f"{server.url}/hook", "slack": f"{server.url}/slack"})
    assert deploy(path, "deploy", "--release", "1.0").returncode == 0
    server.posted.clear()
    ran = deploy(path, "deploy", "--release", "2.0 <b>&")
    assert ran.returncode == 0
    assert "warning" not in ran.stdout
    started, finished = server.to("/hook")
    about = {"service": "shop", "release": "2.0 <b>&", "previous": "1.0", "deployment": 2, "nodes": 2}
    assert started | about | {"event": "started", "outcome": None, "done": 0, "rollback_of": None} == started
    assert finished | about | {"event": "finished", "outcome": "done", "done": 2, "failed": 0} == finished
    assert finished["seconds"] > 0
    assert (finished["left_out"], finished["reason"]) == ([], "")
    assert started["user"]
    assert started["host"] == socket.gethostname()
    begun, ended = [message.pop("text") for message in server.to("/slack")]
    assert begun.startswith("shop 2.0 &lt;b&gt;&amp; → 2 nodes")
    assert ended.startswith("shop 2.0 &lt;b&gt;&amp; done on 2 of 2 nodes in ")


def test_a_failure_and_its_rollback(tmp_path: Path, server: Receiver) -> None:
    """Each is a deployment with a start and an end, in the order in which they happened."""
    release = {"command": 'test "$ROLLOUT_RELEASE$ROLLOUT_NODE" != 2.0web2'}
    notify = {"webhook": f"{server.url}/hook"}
    path = write(tmp_path, notify, release=release, strategy={"on_failure": "rollback"})
    assert deploy(path, "deploy", "--release", "1.0").returncode == 0
    server.posted.clear()
    assert deploy(path).returncode == 1
    told = [(m["event"], m["release"], m["outcome"], m["rollback_of"]) for m in server.to("/hook")]
    assert told == [
        ("started", "2.0", None, None),
        ("finished", "2.0", "failed", None),
        ("started", "1.0", None, 2),
        ("finished", "1.0", "done", 2),
    ]
    failed = server.to("/hook")[1]
    assert (failed["reason"], failed["done"], failed["failed"]) == ("web2 failed", 1, 1)


def test_interrupted_and_resumed(tmp_path: Path, server: Receiver) -> None:
    """A deployment that is interrupted is told of, and so is that it goes on."""
    hook = {"before_deploy": "test -e told || { touch told; kill -INT $PPID; }"}
    notify = {"webhook": f"{server.url}/hook"}
    path = write(tmp_path, notify, hooks=hook)
    assert deploy(path).returncode == 130
    assert deploy(path, "resume").returncode == 0
    told = [(message["event"], message["outcome"], message["deployment"]) for message in server.to("/hook")]
    assert told == [
        ("started", None, 1),
        ("finished", "interrupted", 1),
        ("started", None, 1),
        ("finished", "done", 1),
    ]
    assert server.to("/hook")[1]["reason"].startswith("SIGINT")


def test_secrets_are_masked(tmp_path: Path, server: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """What leaves the house is masked, and the URL is never shown."""
    monkeypatch.setenv("TOKEN", "hunter2")
    monkeypatch.setenv("WHERE", f"{server.url}/hook/hunter2")
    hooks = {"before_deploy": "echo ${TOKEN} is shut; echo no hunter2; exit 5"}
    path = write(tmp_path, {"webhook": "${WHERE}"}, service="${TOKEN}", hooks=hooks)
    ran = deploy(path, "deploy", "--release", "hunter2")
    assert ran.returncode == 1
    assert "hunter2" not in ran.stdout + ran.stderr
    assert len(server.to("/hook/hunter2")) == 2
    assert "hunter2" not in json.dumps([message for _, message in server.posted])


@pytest.mark.parametrize(("status", "told"), [(404, "answered 404"), (302, "answered 302")])
def test_a_message_that_is_not_taken(tmp_path: Path, status: int, told: str) -> None:
    """It is a warning that names the host alone, and the deployment is as done as without it."""
    with receiver(status) as server:
        ran = deploy(write(tmp_path, {"slack": f"{server.url}/s3cr3t"}))
        host = server.url.removeprefix("http://").partition(":")[0]
    assert ran.returncode == 0
    assert ran.stdout.count(f"warning: notify.slack: {host}: {told}") == 2
    assert "s3cr3t" not in ran.stdout + ran.stderr
    assert [path for path, _ in server.posted] == ["/s3cr3t", "/s3cr3t"]


def test_nobody_listens(tmp_path: Path) -> None:
    """Of both messages it is told that they did not arrive."""
    host = own_address()
    ran = deploy(write(tmp_path, {"webhook": f"http://{host}:8000/s3cr3t"}))
    assert ran.returncode == 0
    assert ran.stdout.count(f"warning: notify.webhook: {host}: connection refused") == 2
    assert "s3cr3t" not in ran.stdout + ran.stderr


@pytest.mark.parametrize("proxy", ["nonsense://anna:s3cr3t@127.0.0.1", "http://anna:s3cr3t@127.0.0.1:x"])
def test_an_unusable_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """It is a warning without the proxy's password."""
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("ALL_PROXY", proxy)
    ran = deploy(write(tmp_path, {"webhook": f"http://{own_address()}:8000/"}))
    assert ran.returncode == 0
    assert "the proxy set in the environment cannot be used" in ran.stdout
    assert "s3cr3t" not in ran.stdout + ran.stderr


async def test_certificates_that_are_not_there(server: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names none is an error like any other."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    with pytest.raises(RequestFailed, match="TLS: "):
        await webhook.post(server.url, {}, timeout=10)


async def test_the_environments_proxy_is_used(server: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CI machine often reaches others through one alone."""
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTP_PROXY", server.url)
    await webhook.post("http://ci.invalid/hook", {"a": 1}, timeout=10)
    assert server.posted == [("http://ci.invalid/hook", {"a": 1})]


async def test_a_second_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that comes up between two tries gets the message, once, and later ones after it."""
    host = own_address()
    started: list[Receiver] = []

    async def pause(seconds: float) -> None:
        assert started == [], "the second message was not to be sent before the first"
        started.append(Receiver(host=host))

    monkeypatch.setattr(webhook.asyncio, "sleep", pause)
    try:
        box = Outbox()
        for number in range(3):
            box.post(f"http://{host}:8000/hook", {"number": number}, pytest.fail)
        await box.aclose()
        assert started[0].to("/hook") == [{"number": 0}, {"number": 1}, {"number": 2}]
    finally:
        for one in started:
            one.close()


async def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who posts does not wait for it; at the end all that is left is given up after the same time."""
    monkeypatch.setattr(notify, "_TIMEOUT", 0.3)
    failed: list[str] = []
    box = Outbox()
    host = own_address()
    with socket.create_server((host, 8000)):
        for number in range(3):
            box.post(f"http://{host}:8000/", {"number": number}, failed.append)
        assert failed == []
        await box.aclose()
    assert len(failed) == 3
    assert "it was not sent in time" in failed


@pytest.mark.parametrize("url", ["https://{}:8000/", "http://{}x:8000/"])
async def test_what_cannot_be_reached(server: Receiver, url: str) -> None:
    """No TLS where it is expected, no such host: an error like any other."""
    host = server.url.removeprefix("http://").partition(":")[0]
    with pytest.raises(RequestFailed):
        await webhook.post(url.format(host), {}, timeout=10)
