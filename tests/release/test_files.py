"""`release: files` under load: applications turn from old data to new without a restart."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import lmdb
import pytest
from data_support import HOST, Application, Start

from tests.support.command import rollout, write_inventory
from tests.support.load import Load


def make_words(path: Path, answer: str) -> None:
    """An LMDB file of some thousand words."""
    path.unlink(missing_ok=True)
    with (
        lmdb.open(str(path), subdir=False, lock=False, map_size=16 << 20) as made,
        made.begin(write=True) as put,
    ):
        put.put(b"greeting", answer.encode())
        for number in range(5000):
            put.put(f"word-{number}".encode(), os.urandom(100))


def inventory(folder: Path, source: str, **sections: Any) -> Path:
    files = {"from": source, "to": str(folder / "data"), "bandwidth": "50MB/s"}
    return write_inventory(folder / "rollout.yml", {"release": {"files": files}, **sections})


@pytest.fixture
def words(tmp_path: Path, start: Start) -> Application:
    """Serves release 1, and has release 2 sent to it from now on."""
    make_words(tmp_path / "words.lmdb", "hello")
    path = inventory(tmp_path, "words.lmdb", restart="none")
    assert rollout("deploy", "--release", "1", inventory=path).returncode == 0
    pidfile = tmp_path / "pid"
    words = start("words", tmp_path / "data", str(pidfile))
    inventory(
        tmp_path,
        "words.lmdb",
        restart={"signal": {"pidfile": str(pidfile), "proof": "health"}},
        health={"http": words.page, "release": {"json": "release"}, "interval": "20ms", "timeout": "3s"},
        strategy={"on_failure": "rollback"},
    )
    return words


def test_processes_that_read_an_lmdb_file_open_the_new_one(tmp_path: Path, words: Application) -> None:
    """Under load the answers change from the old data to the new, none fails, no process is another one."""
    before = words.processes
    assert len(before) == 4
    make_words(tmp_path / "words.lmdb", "good morning")
    with Load(HOST, words.port, "/greeting") as load:
        done = rollout("deploy", "--release", "2", inventory=tmp_path / "rollout.yml")
        assert done.returncode == 0, done.stdout + done.stderr
        turned = len(load.answers)
        load.until(lambda answer: answer.body == "good morning", "the new data")
    assert load.lost == []
    assert {answer.body for answer in load.answers} == {"hello", "good morning"}
    assert load.bodies[0] == "hello"
    # requests that ran when the deployment ended may have been answered from the old file
    assert {answer.body for answer in load.answers[turned + 5 :]} <= {"good morning"}
    assert words.processes == before


def test_data_that_cannot_be_opened(tmp_path: Path, words: Application) -> None:
    """Every process goes on with the old data, no answer fails, and the link leads back to it."""
    before = words.processes
    (tmp_path / "words.lmdb").write_bytes(b"this is no LMDB file" * 1000)
    with Load(HOST, words.port, "/greeting") as load:
        done = rollout("deploy", "--release", "2", inventory=tmp_path / "rollout.yml")
    assert done.returncode == 1, done.stdout + done.stderr
    assert load.lost == []
    assert load.bodies == ["hello"]
    assert words.processes == before
    assert words.status() == {"release": "1"}
    assert os.readlink(tmp_path / "data" / "current") == "releases/1"


def test_a_list_that_a_thread_loads(tmp_path: Path, start: Start) -> None:
    """By a request, under load: no answer fails, none is of two lists, and the process is the same."""
    (tmp_path / "prices").mkdir()
    source = tmp_path / "prices" / "prices.json"
    source.write_text(json.dumps({"tea": 3}))
    path = inventory(tmp_path, "prices", restart="none")
    assert rollout("deploy", "--release", "1", inventory=path).returncode == 0
    prices = start("prices", tmp_path / "data")
    source.write_text(json.dumps({"tea": 4} | {f"thing-{number}": number for number in range(100_000)}))
    path = inventory(
        tmp_path,
        "prices",
        restart={"http": {"url": f"http://{HOST}:{prices.port}/-/reload"}},
        health={"http": prices.page, "release": {"json": "release"}},
    )
    with Load(HOST, prices.port, "/tea") as load:
        done = rollout("deploy", "--release", "2", inventory=path)
        assert done.returncode == 0, done.stdout + done.stderr
        load.until(lambda answer: answer.body == "4", "the new price")
    assert load.lost == []
    assert load.bodies[0] == "3"
    assert load.bodies[-1] == "4"
    assert prices.status() == {"release": "2", "wrong": ""}
