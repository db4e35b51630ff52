import asyncio
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.validate import validator

import httpx
import pytest

from rollout.app import asgi, wsgi

ROOT = Path(__file__).parents[3]


def wsgi_shop(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"shop {environ['REQUEST_METHOD']} {environ['PATH_INFO']}".encode()]


async def asgi_shop(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": f"shop {scope['method']} {scope['path']}".encode()})


def ask_wsgi(app: WSGIApplication, method: str, path: str) -> httpx.Response:
    with httpx.Client(transport=httpx.WSGITransport(app=validator(app)), base_url="http://shop") as client:
        return client.request(method, path)


def ask_asgi(app: asgi.Application, method: str, path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            return await client.request(method, path)

    return asyncio.run(ask())


class Wsgi:
    """The page around a WSGI application."""

    def __init__(self, **settings: Any) -> None:
        self.app = wsgi.HealthPage(wsgi_shop, **settings)

    def ask(self, method: str, path: str) -> httpx.Response:
        return ask_wsgi(self.app, method, path)


class Asgi:
    """The page around an ASGI application."""

    def __init__(self, **settings: Any) -> None:
        self.app = asgi.HealthPage(asgi_shop, **settings)

    def ask(self, method: str, path: str) -> httpx.Response:
        return ask_asgi(self.app, method, path)


both = pytest.mark.parametrize("side", [Wsgi, Asgi])


@both
def test_the_page_says_ok_and_draining_while_the_file_exists(side: type[Wsgi], tmp_path: Path) -> None:
    """200 without the file, 404 with it, 200 again after it; the release is said each time."""
    file = tmp_path / "draining"
    page = side(file=str(file), release="1.4.2")

    before = page.ask("GET", "/_status")
    file.touch()
    during = page.ask("GET", "/_status")
    file.unlink()
    after = page.ask("GET", "/_status")

    assert [answer.status_code for answer in (before, during, after)] == [200, 404, 200]
    assert before.json() == after.json() == {"status": "ok", "release": "1.4.2"}
    assert during.json() == {"status": "draining", "release": "1.4.2"}
    assert {answer.headers["X-Release"] for answer in (before, during, after)} == {"1.4.2"}
    assert {answer.headers["Cache-Control"] for answer in (before, during, after)} == {"no-store"}


@both
def test_head_says_the_same_without_a_body(side: type[Wsgi], tmp_path: Path) -> None:
    """HEAD gets the status and headers of GET, the length too, and no body."""
    page = side(file=str(tmp_path / "draining"), release="1.4.2")

    get, head = page.ask("GET", "/_status"), page.ask("HEAD", "/_status")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == get.headers
    assert int(head.headers["Content-Length"]) == len(get.content)


@both
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/_status/"), ("GET", "/_statusx"), ("GET", "/api/_status"), ("POST", "/_status")],
)
def test_everything_else_is_the_applications(
    side: type[Wsgi], tmp_path: Path, method: str, path: str
) -> None:
    """Other paths and methods reach the application as they are, even while the node is drained."""
    (tmp_path / "draining").touch()
    answer = side(file=str(tmp_path / "draining")).ask(method, path)

    assert (answer.status_code, answer.text) == (200, f"shop {method} {path}")


@both
def test_a_path_of_ones_own_and_no_release(side: type[Wsgi]) -> None:
    """The path can be chosen; without a release none is claimed; without a file it is never draining."""
    page = side(path="/healthz")
    answer = page.ask("GET", "/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "X-Release" not in answer.headers
    assert page.ask("GET", "/_status").text == "shop GET /_status"


@both
@pytest.mark.parametrize("file", ["missing/folder/draining", "file/draining", "x" * 5000, "nul\0"])
def test_a_file_that_cannot_be_looked_at_counts_as_missing(
    side: type[Wsgi], tmp_path: Path, file: str
) -> None:
    """Whatever is wrong with the path, the page answers 200 and does not crash."""
    (tmp_path / "file").touch()

    assert side(file=f"{tmp_path}/{file}").ask("GET", "/_status").status_code == 200


def test_the_page_alone_is_an_application(tmp_path: Path) -> None:
    """`health_page` answers its path and has nothing else."""
    app = wsgi.health_page(file=str(tmp_path / "draining"), release="1.4.2")

    assert ask_wsgi(app, "GET", "/_status").json() == {"status": "ok", "release": "1.4.2"}
    assert ask_wsgi(app, "GET", "/").status_code == 404
    assert ask_wsgi(app, "HEAD", "/").content == b""


def test_websockets_and_lifespan_pass_untouched() -> None:
    """Scopes that are not HTTP reach the ASGI application as the very same objects."""
    seen: list[asgi.Scope] = []

    async def app(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        seen.append(scope)

    async def receive() -> asgi.Message:
        raise AssertionError("the page reads nothing")

    async def send(message: asgi.Message) -> None:
        raise AssertionError("the page answers nothing")

    scopes: list[asgi.Scope] = [{"type": "lifespan"}, {"type": "websocket", "path": "/_status"}]
    for scope in scopes:
        asyncio.run(asgi.HealthPage(app)(scope, receive, send))

    assert [id(scope) for scope in seen] == [id(scope) for scope in scopes]


def test_an_application_needs_nothing_but_the_standard_library() -> None:
    """With no site-packages the page works, and brings nothing of `rollout` along but `rollout.app`."""
    program = f"""
import json, sys
sys.path.insert(0, {str(ROOT)!r})
from rollout.app import asgi, wsgi
statuses = []
body = wsgi.health_page(release="1")(
    {{"REQUEST_METHOD": "GET", "PATH_INFO": "/_status"}}, lambda status, headers: statuses.append(status))
foreign = [name for name in sys.modules if name.partition(".")[0] not in sys.stdlib_module_names]
print(json.dumps([statuses, b"".join(body).decode(), sorted(foreign)]))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    statuses, body, foreign = json.loads(done.stdout)

    assert statuses == ["200 OK"]
    assert json.loads(body) == {"status": "ok", "release": "1"}
    assert set(foreign) - {"__main__"} == {
        "rollout",
        "rollout.app",
        "rollout.app.asgi",
        "rollout.app.page",
        "rollout.app.wsgi",
    }
