"""An https health page whose certificate a company's own authority has signed."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.adapters import http
from rollout.cli.wiring import open_site
from rollout.errors import RequestFailed
from rollout.inventory import load
from tests.support.pages import reply

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the authority's certificate, `ca.pem`, also in a folder `certificates`, and with a
    server's, `server.pem`, and its key."""
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(
        "req", "-x509", *CURVE, "-subj", "/CN=Company", "-days", "1", "-keyout", "ca.key", "-out", "ca.pem"
    )
    openssl("req", *CURVE, "-subj", "/CN=shop", "-keyout", "server.key", "-out", "server.csr")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "1")
    openssl("x509", "-req", "-in", "server.csr", *signing, "-out", "server.pem")
    (folder / "certificates").mkdir()
    (folder / "certificates" / "ca.pem").write_bytes((folder / "ca.pem").read_bytes())
    openssl("rehash", "certificates")
    return folder


@pytest.fixture(autouse=True)
def nothing_is_trusted_yet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the environment trusts is read once by each process, and these tests share one."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    http._trusted.cache_clear()
    yield
    http._trusted.cache_clear()


async def status(authority: Path, tmp_path: Path, *, ca: str | None) -> int:
    """The status of the health page of an inventory in `tmp_path`, with this `health.ca`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(b"ok"))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        path = tmp_path / "prod.yml"
        trusts = "" if ca is None else f", ca: {ca}"
        path.write_text(
            f"service: shop\nnodes: {{web1: {{host: 127.0.0.1}}}}\nssh: local\nload_balancers: {{}}\n"
            f'restart: {{command: "true"}}\nhealth: {{http: "{url}"{trusts}}}\n'
        )
        async with open_site(load(path, {})) as site:
            return (await site.http_clients["web1"].request("GET", url, timeout=10)).status


async def test_an_authority_that_nobody_knows_is_refused(authority: Path, tmp_path: Path) -> None:
    """And the hint says how it can be trusted."""
    with pytest.raises(RequestFailed, match=r"^TLS: .*certificate verify failed") as caught:
        await status(authority, tmp_path, ca=None)
    assert "health.ca" in (caught.value.hint or "")


async def test_the_inventory_names_the_authority(authority: Path, tmp_path: Path) -> None:
    """By a file beside the inventory, or by its whole path."""
    (tmp_path / "company.pem").write_bytes((authority / "ca.pem").read_bytes())
    assert await status(authority, tmp_path, ca="company.pem") == 200
    assert await status(authority, tmp_path, ca=str(authority / "ca.pem")) == 200


async def test_the_environment_names_the_authority(
    authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As other programs heed it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    assert await status(authority, tmp_path, ca=None) == 200


async def test_the_environment_names_a_folder_of_authorities(
    authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In which each file is called by the hash of its certificate."""
    monkeypatch.setenv("SSL_CERT_DIR", str(authority / "certificates"))
    assert await status(authority, tmp_path, ca=None) == 200


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file"), ("nothing", "it holds no certificate")]
)
async def test_a_file_that_cannot_be_used_is_named(
    authority: Path, tmp_path: Path, content: str | None, reason: str
) -> None:
    """A mistyped name, or a file of something else."""
    if content is not None:
        (tmp_path / "company.pem").write_text(content)
    with pytest.raises(RequestFailed, match=rf"TLS: health\.ca .*company\.pem: {reason}"):
        await status(authority, tmp_path, ca="company.pem")
