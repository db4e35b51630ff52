"""Every text of an inventory comes from a variable: none is shown, told as an error, or kept."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollout.inventory.command import COMMAND_LINES
from rollout.inventory.hooks import HOOKS
from rollout.inventory.model import Inventory
from rollout.inventory.section import Section
from tests.support import prepared
from tests.support.shop import Shop, shop
from tests.support.web import Page, WebApp

TOKEN = "s3cr3t"
"""In every text that a variable holds, but for addresses, which no output may show either."""
VERBS = ["check", "plan", "deploy", "status", "history", "lock", "resume", "restore", "drain", "ready"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """With the token in its path, which is short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix=f"{TOKEN}-"))
    yield made
    shutil.rmtree(made)


class Hidden:
    """An inventory of which every text comes from a variable, and commands that use it."""

    def __init__(self, document: Mapping[str, Any], place: Path) -> None:
        self.values: dict[str, str] = {}
        self.folder = place
        self.shown: list[str] = []
        place.mkdir()
        (place / "rollout.yml").write_text(yaml.safe_dump(self._hide(document)))

    def _hide(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            of_key = {"hooks": HOOKS, "command": ("command", *COMMAND_LINES)}
            lines = of_key.get(key, ("command",))
            return {
                key: item if key in lines and isinstance(item, str) else self._hide(item, key)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self._hide(item) for item in value]
        if not isinstance(value, str):
            return value
        name = f"HIDDEN{len(self.values)}"
        self.values[name] = value
        return f"${{{name}}}"

    async def run(self, *words: str) -> int:
        """The exit code of a command; what it printed is remembered."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), os.getcwd()])),
            "COMMAND_TOKEN": f"{TOKEN} in a line\nand {TOKEN}'s own",
            **self.values,
        }
        ran = await asyncio.to_thread(prepared.run, words, folder=self.folder, environment=environment)
        self.shown.append(f"$ {' '.join(words)} → {ran.returncode}\n{ran.stdout}{ran.stderr}")
        return ran.returncode

    async def run_all(self, verbs: Iterable[str], output: str) -> None:
        for verb in verbs:
            named = ["web1"] if verb in ("drain", "ready") else []
            release = ["--release", "2.0"] if verb in ("deploy", "plan") else []
            await self.run(verb, *named, *release, "--output", output)

    def require_nothing_told(self) -> None:
        """Neither on the screen nor in any file, nor as a file's name; and nothing went wrong unforeseen."""
        secrets = {value for value in self.values.values() if value.startswith("127.")} | {TOKEN}
        files = [file for file in (self.folder / "state").rglob("*") if file.is_file()]
        assert files
        lines = [line for shown in self.shown for line in shown.splitlines()]
        told = [line for line in lines for secret in secrets if secret in line.lower()]
        kept = [file for file in files for secret in secrets if secret.encode() in file.read_bytes().lower()]
        named = [file for file in files if TOKEN in str(file.relative_to(self.folder))]
        assert (told, kept, named) == ([], [], [])
        assert [line for line in lines if "Traceback" in line] == []
        for file in files:
            assert file.stat().st_mode & 0o077 == 0 or "lock" in file.parent.name, file


def document(here: Shop, folder: Path, **sections: Any) -> dict[str, Any]:
    """An inventory with a text in every place that takes one; `sections` replace its own."""
    socket = folder / "socket"
    if not socket.exists():
        socket.symlink_to(here.balancers[0].socket().path)
    master = folder / "master"
    if not master.exists():
        master.symlink_to(here.balancers[0].socket("master").path)
    nodes = {
        name: {"host": app.host, "server": f"{name}-{TOKEN}", "zone": f"a-{TOKEN}", "ssh": "local"}
        for name, app in here.apps.items()
    }
    secret = 'echo "the token: ${COMMAND_TOKEN}"; echo "$COMMAND_TOKEN" >&2;'
    return {
        "service": f"shop-{TOKEN}",
        "load_balancers": {
            "lb1": {
                "haproxy": f"unix://{socket}",
                "backends": [f"shop-{TOKEN}"],
                "master": f"unix://{master}",
            }
        },
        "nodes": nodes,
        "drain": {"timeout": "5s", "on_timeout": "abort", "pinned": "wait"},
        "prepare": {"command": f"{secret} true"},
        "release": {"command": f"{secret} true"},
        "restart": {"command": f"{secret} true", "timeout": "5s"},
        "health": {
            "http": f"http://{{host}}:8000/_status?{TOKEN}={TOKEN}",
            "body": f"it's fine: {TOKEN}",
            "release": {"header": f"X-{TOKEN}"},
            "interval": "10ms",
            "timeout": "1s",
        },
        "warmup": {"steps": ["10%", "100%"], "over": "50ms"},
        "strategy": {
            "order": "fastest_overall",
            "window": "50%",
            "bake": "10ms",
            "on_failure": "halt",
            "spread": "zones",
        },
        "hooks": {
            "before_deploy": f"{secret} true",
            "before_node": {"command": f"{secret} true", "on": "node", "timeout": "5s"},
            "after_node": f"{secret} false",
            "after_deploy": f'{secret} echo "$ROLLOUT_REASON"; false',
            "on_failure": f'{secret} echo "$ROLLOUT_REASON"; false',
        },
        **sections,
    }


def texts_of_the_model() -> set[str]:
    """The names of all keys of an inventory that take a text."""
    return {
        field.alias or name
        for section in [Inventory, *Section.__subclasses__()]
        for name, field in section.model_fields.items()
        if "str" in str(field.annotation) or "Literal" in str(field.annotation)
    }


def keys(value: Any) -> Iterator[str]:
    for key, item in value.items() if isinstance(value, dict) else ():
        yield key
        yield from keys(item)


def test_every_text_of_an_inventory_is_tried(folder: Path) -> None:
    """A key that is new in the model needs a place in the inventories below."""
    here = Shop({"web1": WebApp("web1")}, [], {})
    for name in ("socket", "master"):
        (folder / name).touch()
    tried = {*keys(document(here, folder)), *keys(failing(here, folder))}
    assert texts_of_the_model() - tried == set()


def backends() -> dict[str, tuple[str, ...]]:
    servers = (f"server {name}-{TOKEN} {{{name}}}" for name in ("web1", "web2"))
    check = ("option httpchk GET /_check", "default-server check inter 50ms rise 2 fall 2 weight 10")
    return {f"shop-{TOKEN}": (*check, *servers)}


def answer(here: Shop, status: int = 200) -> None:
    headers = {f"X-{TOKEN}": "2.0"}
    for app in here.apps.values():
        app.pages["/_status"] = Page(status, f"it's fine: {TOKEN}", headers)


@pytest.mark.parametrize("output", ["text", "json"])
async def test_nothing_is_told_of_what_goes_well(
    haproxy_binary: Path, folder: Path, tmp_path: Path, output: str
) -> None:
    """All verbs around a deployment that is done, and one that skips a node."""
    async with shop(haproxy_binary, backends(), with_master=True) as here:
        answer(here)
        hidden = Hidden(document(here, folder), tmp_path / "rollout")
        assert await hidden.run("deploy", "--release", "2.0") == 0, hidden.shown
        await here.haproxies["lb1"].send([f"set server shop-{TOKEN}/web1-{TOKEN} state drain"])
        await hidden.run_all(VERBS, output)
        hidden.require_nothing_told()


def drivers(folder: Path) -> dict[str, Any]:
    """Settings of the drivers that have nothing to restart."""
    place = f"{folder}/{TOKEN}"
    pidfile = {"pidfile": f"{place}/pid"}
    return {
        "celery": {
            "app": f"{TOKEN}.app",
            "node": f"{TOKEN}@{{node}}",
            "start": f"echo {TOKEN}; false",
            "python": f"{place}/python",
            "directory": place,
        },
        "command": {
            "restart": 'echo "${COMMAND_TOKEN}"; false',
            "check": 'echo "${COMMAND_TOKEN}"; exit 69',
            "proof": 'echo "${COMMAND_TOKEN}"',
            "explain": 'echo "${COMMAND_TOKEN}"',
        },
        "docker": {"container": f"shop-{TOKEN}", "image": f"shop-{TOKEN}:1"},
        "gunicorn": {**pidfile, "mode": "rolling", "notify": "udp://127.0.0.1:4012"},
        "http": {"url": f"http://{{host}}:1/{TOKEN}", "method": "POST"},
        "processes": {**pidfile, "beats": f"{place}/beats", "log": f"{place}/log", "signal": "HUP"},
        "runit": f"shop-{TOKEN}",
        "signal": {**pidfile, "signal": "HUP", "proof": "new-children"},
        "supervisor": {
            "program": f"shop-{TOKEN}:*",
            "configuration": f"{place}/supervisord.conf",
            "supervisorctl": f"{place}/supervisorctl",
        },
        "systemd": {"unit": f"{TOKEN}.service", "action": "reload"},
        "uwsgi": {"fifo": f"{place}/fifo", "mode": "chain"},
    }


def judges() -> dict[str, Any]:
    """Those that have the last word on a release."""
    query = {"url": f"http://127.0.0.1:1/{TOKEN}", "query": f"{TOKEN}{{{{host}}}}", "max": 1, "every": "10ms"}
    command = {"command": 'echo "${COMMAND_TOKEN}"; false', "timeout": "1m"}
    settings = {"errors": "1%", "slower": "2x", "wait": "10ms"}
    return {
        "prometheus": {**settings, "prometheus": query},
        "judged": {**settings, "undecided": "go-on", "command": command},
    }


def releases(folder: Path) -> dict[str, Any]:
    """Sources that are not there, and a place where nothing can be put."""
    return {
        "archive": {"source": f"{folder}/{TOKEN}-{{release}}.tar", "directory": f"/dev/null/{TOKEN}"},
        "files": {"from": f"{folder}/{TOKEN}", "to": f"/dev/null/{TOKEN}", "bandwidth": "20MB/s"},
    }


def failing(here: Shop, folder: Path) -> dict[str, dict[str, Any]]:
    """Sections that make a deployment fail, each in its own way."""
    page = {"file": f"/dev/null/{TOKEN}/it's {TOKEN}", "port": 8000}
    url = f"http://{{host}}:8000/_drain/{TOKEN}/ü?{TOKEN}"
    requests = {"down": {"url": url, "method": "POST"}, "up": {"url": url, "method": "POST"}}
    there = {"host": "127.0.0.99", "server": f"web1-{TOKEN}", "zone": f"a-{TOKEN}"}
    ssh = {
        "user": f"user-{TOKEN}",
        "port": 1,
        "identity_file": f"~/{TOKEN}/key",
        "known_hosts": f"{folder}/known",
        "jump": f"jumper-{TOKEN}@127.0.0.98:1",
    }
    one = {"haproxy": f"unix://{folder}/nobody-{TOKEN}"}
    return {
        **{driver: {"restart": {driver: settings}} for driver, settings in drivers(folder).items()},
        **{way: {"release": {way: settings}} for way, settings in releases(folder).items()},
        **{
            way: {"strategy": {"canary": 1, "pause": "after-canary", "bake": "10ms", "judge": settings}}
            for way, settings in judges().items()
        },
        "restart": {"restart": {"command": 'echo "${COMMAND_TOKEN}"; exit 3'}},
        "hooks": {"hooks": {"before_deploy": 'echo "${COMMAND_TOKEN}"; exit 3'}},
        "before_node": {"hooks": {"before_node": {"command": 'echo "${COMMAND_TOKEN}"; exit 3'}}},
        "notify": {
            "notify": {"webhook": f"http://127.0.0.99:1/{TOKEN}", "slack": f"http://{TOKEN}.Invalid/{TOKEN}"},
            "restart": {"command": "exit 3"},
        },
        "prepare": {"prepare": {"command": "echo it is ${COMMAND_TOKEN}; no-such-command-there"}},
        "body": {"health": {**document(here, folder)["health"], "body": f"something else: {TOKEN}"}},
        "header": {"health": {**document(here, folder)["health"], "release": {"header": f"Y-{TOKEN}"}}},
        "json": {"health": {**document(here, folder)["health"], "release": {"json": f"a.{TOKEN}"}}},
        "url": {"health": {"http": f"https://{{host}}:8000/{TOKEN}", "timeout": "300ms"}},
        "authority": {
            "health": {
                "http": f"https://{{host}}:8000/{TOKEN}",
                "ca": f"/nowhere/{TOKEN}.pem",
                "timeout": "300ms",
            }
        },
        "state": {
            "state": {
                "place": f"etcd://{TOKEN}.Invalid:1/{TOKEN}",
                **{key: f"/nowhere/{key}-{TOKEN}.pem" for key in ("ca", "cert", "key")},
            }
        },
        "login": {
            "state": {
                "place": f"etcd://127.0.0.99:1/{TOKEN}",
                "user": f"user-{TOKEN}",
                "password": f"password-{TOKEN}",
            }
        },
        "file": {"drain": {"health_page": page, "timeout": "1s"}, "warmup": None},
        "request": {"drain": {"health_page": {"request": requests}, "timeout": "1s"}, "warmup": None},
        "socket": {"load_balancers": {"lb1": one}},
        "tcp": {"load_balancers": {"lb1": {"haproxy": f"tcp://{TOKEN}.Invalid:1"}}},
        "backend": {
            "load_balancers": {
                "lb1": {**document(here, folder)["load_balancers"]["lb1"], "backends": [f"shap-{TOKEN}"]}
            }
        },
        "server": {"nodes": {"web1": {**there, "ssh": "local", "server": f"nobody-{TOKEN}"}}},
        "ssh": {"nodes": {"web1": there}, "ssh": ssh},
        "proxy": {
            "load_balancers": {"lb1": {"haproxy": f"ssh://{TOKEN}@127.0.0.97:1/{TOKEN}.sock"}},
            "ssh": {**ssh, "port": 1},
        },
    }


WAYS = [
    *drivers(Path()), *releases(Path()), *judges(),
    "restart", "hooks", "before_node", "notify", "prepare", "body", "header", "json", "url", "file",
    "authority", "state", "login", "request", "socket", "tcp", "backend", "server", "ssh", "proxy",
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_is_told_of_what_fails(
    haproxy_binary: Path, folder: Path, tmp_path: Path, way: str
) -> None:
    """Whatever it is that goes wrong."""
    async with shop(haproxy_binary, backends(), with_master=True) as here:
        answer(here)
        sections = failing(here, folder)[way]
        hidden = Hidden(document(here, folder, **sections), tmp_path / "rollout")
        await hidden.run_all(["check", "deploy"], "text")
        assert not any("$ deploy" in shown and "→ 0\n" in shown for shown in hidden.shown), hidden.shown
        hidden.require_nothing_told()
