"""A shop that runs its tasks in two real Celery workers, as two machines would, behind a real Redis."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from celery import Celery

from tests.support.background import Background
from tests.support.loopback import own_address
from tests.support.until import wait

PASSWORD = "s3cr3t-of-the-broker"
NODES = ("web1", "web2")
CONSUMED = ("celery", "mail")

TASKS = '''
import time
import redis
import rollout.app.page  # as an application does whose web part has rollout's health page
from celery import Celery
from celery.signals import worker_ready, worker_shutdown
from celery.worker.consumer import Consumer

RELEASE = {release!r}
URL = {url!r}
app = Celery("shop", broker=URL)
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    worker_consumer="shop.tasks:Watched",
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)
store = redis.Redis.from_url(URL, socket_timeout=None)


def tell(what, node):
    store.rpush("life", what + node.partition("@")[2])


class Watched(Consumer):
    """Tells when it leaves the main queue, and when it is back."""

    def cancel_task_queue(self, queue):
        if queue == "celery":
            tell("-", self.hostname)
        super().cancel_task_queue(queue)

    def add_task_queue(self, queue, *args, **kwargs):
        super().add_task_queue(queue, *args, **kwargs)
        if queue == "celery":
            tell("+", self.hostname)


@worker_ready.connect
def ready(sender, **_):
    tell("+", sender.hostname)


@worker_shutdown.connect
def shutdown(sender, **_):
    tell("-", sender.hostname)


@app.task(name="shop.work")
def work(number, seconds):
    time.sleep(seconds)
    store.rpush("done", "%s %s" % (number, RELEASE))


@app.task(name="shop.wait")
def wait(number):
    """Until the test lets it finish."""
    store.rpush("waiting", number)
    store.brpoplpush("finish", "finished", 60)
    store.rpush("done", "%s %s" % (number, RELEASE))
'''
WORKER = """
exec {python} -m celery -A shop.tasks worker -n "celery@$1" -c 2 -Q celery,mail -l WARNING \
    --without-mingle --without-gossip --without-heartbeat
"""


class Machine(Background):
    """One worker, started anew whenever it has ended, as a supervisor does."""

    def __init__(self, folder: Path, node: str) -> None:
        super().__init__()
        self.pidfile = folder / f"{node}.pid"
        self._folder = folder / node
        self._log = folder / f"{node}.log"
        self._node = node

    def _run(self) -> None:
        while not self._ends.is_set():
            with self._log.open("ab") as log:
                worker = subprocess.Popen(
                    ["sh", "worker.sh", self._node],
                    cwd=self._folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self.pidfile.write_text(str(worker.pid))
            while worker.poll() is None and not self._ends.wait(0.05):
                pass
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
            self._ends.wait(0.2)


class CeleryShop:
    """The broker, what its workers have told, and the machines' folders with their code."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.store: redis.Redis[str] = redis.Redis.from_url(url, decode_responses=True)
        self.app = Celery("client", broker=url)

    def add_release(self, release: str, *, tasks: str = TASKS, worker: str = WORKER) -> None:
        """Put it where a deployment takes it from."""
        code = self.folder / "releases" / release
        (code / "shop").mkdir(parents=True)
        (code / "shop/__init__.py").touch()
        (code / "shop/tasks.py").write_text(tasks.format(release=release, url=self.url))
        (code / "worker.sh").write_text(worker.format(python=sys.executable))

    def install(self, release: str, node: str) -> None:
        shutil.rmtree(self.folder / node, ignore_errors=True)
        shutil.copytree(self.folder / "releases" / release, self.folder / node)

    def inventory(self, **celery: Any) -> dict[str, Any]:
        """Its sections for a deployment of both nodes."""
        return {
            "nodes": {node: {"host": "127.0.0.1", "ssh": "local"} for node in NODES},
            "release": {
                "command": f'cd {self.folder} && rm -rf "$ROLLOUT_NODE" && '
                'cp -r "releases/$ROLLOUT_RELEASE" "$ROLLOUT_NODE"'
            },
            "restart": {
                "celery": {
                    "app": "shop.tasks",
                    "node": "celery@{node}",
                    "drain": "60s",
                    "start": f'kill -TERM "$(cat {self.folder}/$ROLLOUT_NODE.pid)"',
                    "python": sys.executable,
                    "directory": f"{self.folder}/{{node}}",
                    **celery,
                },
                "timeout": "60s",
            },
        }

    def pids(self) -> dict[str, str]:
        return {node: (self.folder / f"{node}.pid").read_text() for node in NODES}

    def life(self) -> list[str]:
        """`+web1` and `-web1`, in order: who consumes the main queue, and who leaves it."""
        return self.store.lrange("life", 0, -1)

    def least_consuming(self) -> int:
        """How few machines have consumed the main queue at a time, since all of them did."""
        consuming: set[str] = set()
        counts = []
        for told in self.life():
            (consuming.add if told[0] == "+" else consuming.discard)(told[1:])
            counts.append(len(consuming))
        return min(counts[counts.index(len(NODES)) :])

    def consuming(self) -> set[str]:
        found: set[str] = set()
        for told in self.life():
            (found.add if told[0] == "+" else found.discard)(told[1:])
        return found

    def done(self) -> list[str]:
        """The numbers of the tasks that were executed."""
        return [entry.split()[0] for entry in self.store.lrange("done", 0, -1)]

    def left(self) -> int:
        """Tasks that wait in a queue, or that a worker has taken and not acknowledged."""
        return sum(self.store.llen(queue) for queue in CONSUMED) + self.store.hlen("unacked")

    def nothing_of_ours(self) -> bool:
        return not self.store.keys("*rollout*")

    def occupy(self, tasks: int) -> None:
        """With tasks that last until `release_all`, so many that each process of both workers has one."""
        for number in range(tasks):
            self.app.send_task("shop.wait", (number,))
        wait(lambda: self.store.llen("waiting") == 4, "both workers' processes to be busy")

    def release_all(self, tasks: int) -> None:
        """Let them finish, and see that each of them did, once."""
        self.store.rpush("finish", *range(tasks))
        wait(lambda: len(self.done()) >= tasks, "the tasks to finish")
        assert sorted(map(int, self.done())) == list(range(tasks))


class Stream(Background):
    """Steady tasks from a thread of its own until the block ends; every twentieth takes a second."""

    def __init__(self, shop: CeleryShop, *, rate: float = 20.0, at_most: int = 2000) -> None:
        super().__init__()
        self._shop = shop
        self._pause = 1 / rate
        self._at_most = at_most
        self.sent = 0

    def _run(self) -> None:
        while self.sent < self._at_most and not self._ends.wait(self._pause):
            seconds = 1.0 if self.sent % 20 == 0 else 0.02
            self._shop.app.send_task("shop.work", (self.sent, seconds), queue=CONSUMED[self.sent % 2])
            self.sent += 1


@contextmanager
def running(folder: Path) -> Iterator[CeleryShop]:
    """A broker and two machines with release 1, both of which consume."""
    address = own_address()
    arguments = [
        "--bind",
        address,
        "--port",
        "6379",
        "--requirepass",
        PASSWORD,
        "--save",
        "",
        "--dir",
        folder,
    ]
    with (folder / "redis.log").open("wb") as log:
        broker = subprocess.Popen(
            ["redis-server", *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        shop = CeleryShop(folder, f"redis://:{PASSWORD}@{address}:6379/0")
        wait(lambda: _answers(shop.store), "redis")
        shop.add_release("1")
        for node in NODES:
            shop.install("1", node)
        with Machine(folder, NODES[0]), Machine(folder, NODES[1]):
            wait(lambda: shop.consuming() == set(NODES), "both workers")
            yield shop
    finally:
        broker.kill()
        broker.wait()


def _answers(store: redis.Redis[str]) -> bool:
    try:
        return bool(store.ping())
    except redis.ConnectionError:
        return False
