"""A Docker daemon of the tests' own, with images of a tiny web server.

It runs in process numbers and mounts of its own, so that all of it ends with its first process. Its
containers share the machine's network.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import docker_daemon
from tests.support.needs import missing

PROGRAMS = {**docker_daemon.PROGRAMS, "busybox": "busybox-static"}
SERVE = "trap 'exit 0' TERM; echo $RELEASE > /www/index.html; httpd -f -p $ADDRESS -h /www & wait"
HEALTH = "HEALTHCHECK --interval=50ms --retries=2 --start-period={} CMD wget -q -O - http://$ADDRESS/"
SERVES, HEARS_NOTHING = HEALTH.format("20s"), HEALTH.format("1ms")
CHANGES = {
    "1.4": (f'CMD ["sh", "-c", "{SERVE}"]', "ENV RELEASE=1.4", SERVES, "LABEL built=monday"),
    "1.5": (f'CMD ["sh", "-c", "{SERVE}"]', "ENV RELEASE=1.5", SERVES, "LABEL built=tuesday"),
    "dies": ('CMD ["sh", "-c", "sleep 2; echo no such table; exit 3"]',),
    "deaf": ('CMD ["sh", "-c", "trap \'exit 0\' TERM; echo cannot bind; sleep 60 & wait"]', HEARS_NOTHING),
}
"""What the images of `shop` say, by their tags."""


class Docker:
    """The daemon that listens at `host`."""

    def __init__(self, host: str) -> None:
        self.host = host

    def __call__(self, *words: str, stdin: bytes = b"") -> str:
        """What a docker command prints; it must succeed."""
        command = ["docker", "--host", self.host, *words]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def containers(self) -> dict[str, str]:
        """All there are: the images that they are of, by name."""
        lines = self("ps", "--all", "--format", "{{.Names}} {{.Image}}").splitlines()
        return dict(line.split() for line in lines)

    def show(self, name: str, what: str) -> str:
        return self("inspect", "--format", f"{{{{{what}}}}}", name)


@pytest.fixture(scope="session")
def daemon() -> Iterator[Docker]:
    """A running one with its images. A machine that cannot carry one skips the test; CI must be able to."""
    if reason := docker_daemon.why_not(PROGRAMS):
        missing(f"a Docker daemon: {reason}")
    with (
        tempfile.TemporaryDirectory(prefix="docker-") as folder,
        docker_daemon.daemon(Path(folder), "--storage-driver=vfs") as host,
    ):
        docker = Docker(host)
        for tag, changes in CHANGES.items():
            options = [word for change in changes for word in ("--change", change)]
            docker("import", *options, "-", f"shop:{tag}", stdin=_files())
        yield docker
        remove_all(docker)


@pytest.fixture
def docker(daemon: Docker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Docker]:
    """The daemon, which whoever runs docker on this machine reaches; its containers go with the test."""
    monkeypatch.setenv("DOCKER_HOST", daemon.host)
    yield daemon
    remove_all(daemon)


def remove_all(docker: Docker) -> None:
    if docker.containers():
        docker("rm", "--force", "--volumes", *docker.containers())
    docker("network", "prune", "--force")
    docker("volume", "prune", "--force")


def _files() -> bytes:
    """The root file system of a machine that has busybox and nothing else."""
    busybox = Path(shutil.which("busybox") or sys.exit()).resolve()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(busybox, "bin/busybox")
        for name in ("sh", "httpd", "wget", "sleep"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        page = tarfile.TarInfo("www")
        page.type, page.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(page)
    return archive.getvalue()
