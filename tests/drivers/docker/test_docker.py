"""`restart: docker`, against a real daemon."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rollout.agents.common.talk import NotRunning
from rollout.inventory.restart import Docker as Settings
from rollout.inventory.template import fill
from rollout.restart.docker import plan_restart
from rollout.restart.driver import RestartPlan
from tests.support.command import rollout, write_inventory
from tests.support.load import Load
from tests.support.loopback import own_address
from tests.support.until import wait
from tests.support.users import NOBODY, SUDOER

if TYPE_CHECKING:
    from conftest import Docker

PORT = 8000


def run(docker: Docker, *options: str, name: str = "shop") -> str:
    """A container of 1.4 that serves, in the machine's network; the address that it serves at."""
    address = own_address()
    words = ("--network", "host", "--env", f"ADDRESS={address}:{PORT}", *options)
    docker("run", "--detach", "--name", name, *words, "shop:1.4")
    return address


def inventory(folder: Path, **settings: Any) -> Path:
    timeout = settings.pop("timeout", "60s")
    chosen = {"container": "shop", "image": "shop:$ROLLOUT_RELEASE", **settings}
    return write_inventory(folder / "shop.yml", {"restart": {"docker": chosen, "timeout": timeout}})


def deploy(folder: Path, release: str | None, **settings: Any) -> subprocess.CompletedProcess[str]:
    chosen = [] if release is None else ["--release", release]
    return rollout("deploy", *chosen, inventory=inventory(folder, **settings))


def driver(release: str) -> RestartPlan:
    def filled(text: str) -> str:
        return fill(text, host="127.0.0.1", node="web1", release=release)

    return plan_restart(Settings(container="shop", image="shop:$ROLLOUT_RELEASE"), 60, filled)


def agent(release: str, *, check: bool = False, within: tuple[str, ...] = ()) -> tuple[int, list[str]]:
    """The driver's own command or precheck: its exit status, and what it prints."""
    made = driver(release)
    line = made.precheck if check else made.command
    assert line is not None
    done = subprocess.run([*within, "sh", "-c", line], capture_output=True, text=True, timeout=60)
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_a_container_gets_another_image(docker: Docker, tmp_path: Path) -> None:
    """Requests fail only between the old one's end and the new one's start; nothing else is left."""
    address = run(docker)
    with Load(address, PORT) as load:
        done = deploy(tmp_path, "1.5")
        load.until(lambda answer: answer.body == "1.5\n", "the new release")
    assert done.returncode == 0, done.stdout + done.stdout
    assert "shop runs shop:1.5 (healthy), no longer shop:1.4" in done.stdout
    assert [body for body in load.bodies if body] == ["1.4\n", "1.5\n"]  # a cut one is empty
    assert docker.containers() == {"shop": "shop:1.5"}
    assert docker("images", "--quiet", "shop:1.4")
    answered = [answer.at for answer in load.answers if answer.body]
    gap = max(after - before for before, after in itertools.pairwise(answered))
    print(f"no answer for {gap:.2f} s: {len(load.lost)} requests lost, {len(answered)} answered")  # noqa: T201


BY_HAND = """
--network inner --network-alias till --publish 127.0.0.1::8000 --hostname shopkeeper --memory 64m
--env ADDRESS=0.0.0.0:8000 --env COLOUR=red --label team=web --workdir /www --restart unless-stopped
--volume /etc/hostname:/etc/its:ro --volume goods:/goods --volume /unnamed --mount type=volume,target=/mounted
--tmpfs /scratch
"""


def test_what_was_set_by_hand_stays_and_what_came_from_the_image_does_not(docker: Docker) -> None:
    """Mounts, limits, labels, networks are as before, and so is the port that Docker had chosen; command and
    environment are the new image's."""
    docker("network", "create", "inner")
    docker("network", "create", "outer")
    docker("run", "--detach", "--name", "shop", *BY_HAND.split(), "shop:1.4")
    docker("network", "connect", "--alias", "counter", "outer", "shop")
    docker("exec", "shop", "sh", "-c", "echo kept > /unnamed/it; echo too > /mounted/it; echo gone > /it")
    host = [f".HostConfig.{key}" for key in ("RestartPolicy", "Memory", "Tmpfs")]
    config = [f".Config.{key}" for key in ("Hostname", "WorkingDir", "ExposedPorts", "Volumes")]
    before = {what: docker.show("shop", f"json {what}") for what in (*host, *config)}
    port = docker("port", "shop")
    noted = f"Docker has chosen {port.split()[-1]} for port 8000/tcp. "

    status, said = agent("1.5", check=True)
    assert (status, said[0].startswith(noted)) == (0, True), said
    status, said = agent("1.5")

    assert (status, len(said), docker("port", "shop")) == (0, 1, port), said
    assert {what: docker.show("shop", f"json {what}") for what in before} == before
    assert docker.show("shop", "json .Config.Labels") == '{"built":"tuesday","team":"web"}'
    environment = json.loads(docker.show("shop", "json .Config.Env"))
    assert {"COLOUR=red", "RELEASE=1.5", "ADDRESS=0.0.0.0:8000"} <= set(environment)
    assert "RELEASE=1.4" not in environment
    look = "cat /unnamed/it /mounted/it /www/index.html; [ -d /goods ] && [ ! -e /it ]"
    assert docker("exec", "shop", "sh", "-c", look).split() == ["kept", "too", "1.5"]
    assert '"till"' in docker.show("shop", "json .NetworkSettings.Networks.inner.Aliases")
    assert '"counter"' in docker.show("shop", "json .NetworkSettings.Networks.outer.Aliases")
    names = ("--format", "{{range .Containers}}{{.Name}} {{end}}")
    assert docker("network", "inspect", *names, "inner", "outer").split() == ["shop", "shop"]


@pytest.mark.parametrize(
    ("release", "why", "last"),
    [
        ("dies", "ended as soon as it had started (exit status 3)", "no such table"),
        ("deaf", "is unhealthy", "cannot bind"),
    ],
)
def test_a_broken_image_ends_with_the_old_container_serving(
    docker: Docker, tmp_path: Path, release: str, why: str, last: str
) -> None:
    """It is the same container as before, and the new one is gone; its last words are told. Whatever ends
    it later, it is started from its own image again."""
    address = run(docker, "--restart", "always")
    before = docker.show("shop", ".Id")
    with Load(address, PORT) as load:
        done = deploy(tmp_path, release)
        load.until(lambda answer: answer.body == "1.4\n", "the old release")
    assert done.returncode == 1
    assert f"BROKEN: shop from shop:{release} {why}" in done.stdout
    assert "the one from shop:1.4 runs again" in done.stdout
    assert f"| {last}" in done.stdout
    assert docker.containers() == {"shop": "shop:1.4"}
    assert docker.show("shop", ".Id") == before
    assert {body for body in load.bodies if body} == {"1.4\n"}
    docker("exec", "shop", "sh", "-c", "kill 1")
    wait(lambda: docker.show("shop", ".RestartCount") == "1", "its start anew")
    with Load(address, PORT) as load:
        load.until(lambda answer: answer.body == "1.4\n", "the old release")


def test_a_container_that_is_down_gets_the_release_before(docker: Docker, tmp_path: Path) -> None:
    """A release that ends when its deployment is long over is rolled back: nothing is refused."""
    address = run(docker)
    for release in ("1.4", "1.5"):
        assert deploy(tmp_path, release).returncode == 0
    docker("kill", "shop")
    back = rollout("rollback", inventory=tmp_path / "shop.yml")
    assert back.returncode == 0, back.stdout + back.stderr
    assert docker.containers() == {"shop": "shop:1.4"}
    with Load(address, PORT) as load:
        load.until(lambda answer: answer.body == "1.4\n", "the release before")


def test_one_that_does_not_become_healthy_in_time(docker: Docker, tmp_path: Path) -> None:
    """The old one is back before the time is up, so that the reason can be told."""
    run(docker, "--health-cmd", "[ $RELEASE = 1.4 ] || sleep 60", "--health-interval", "50ms")
    done = deploy(tmp_path, "1.5", timeout="7s")
    assert (
        "did not become healthy in time: its health is starting; the one from shop:1.4 runs again"
    ) in done.stdout
    assert docker.containers() == {"shop": "shop:1.4"}


def test_without_a_release_the_image_stays(docker: Docker, tmp_path: Path) -> None:
    """A rolling restart starts the same container again; without a health check it must run for a while."""
    run(docker, "--no-healthcheck")
    before, started = docker.show("shop", ".Id"), docker.show("shop", ".State.StartedAt")
    done = deploy(tmp_path, None)
    assert done.returncode == 0, done.stdout + done.stdout
    assert "shop was restarted (for 3 s, without a health check)" in done.stdout
    assert docker.show("shop", ".Id") == before
    assert docker.show("shop", ".State.StartedAt") != started


def test_an_image_that_cannot_be_had(docker: Docker) -> None:
    """It is looked for, and pulled, while the old container serves: that one is not touched."""
    run(docker)
    started = docker.show("shop", ".State.StartedAt")
    status, said = agent("1.6")
    assert status == 1
    assert said[-1].startswith("shop:1.6 cannot be pulled, and nothing was stopped: ")
    status, said = agent("1+6")
    assert (status, said) == (1, ["no such image: shop:1+6: invalid reference format"])
    assert docker.show("shop", ".State.StartedAt") == started
    assert docker.containers() == {"shop": "shop:1.4"}


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (None, "there is no container shop: create it once with `docker run` or `docker create`"),
        (
            ("create", "--rm"),
            "container shop was created with --rm: Docker would remove it as soon as it stops",
        ),
        (
            ("create", "--label", "com.docker.swarm.service.name=shop"),
            "container shop belongs to Swarm: use `docker service update` as a command",
        ),
    ],
)
def test_a_container_that_cannot_be_replaced(docker: Docker, made: tuple[str, ...] | None, why: str) -> None:
    """It is refused beforehand, and by the restart itself, before anything is stopped."""
    if made is not None:
        docker(*made, "--name", "shop", "shop:1.4")
    status = NotRunning.exit_status if made is None else 1
    assert agent("1.5", check=True) == (status, [why])
    assert agent("1.5") == (status, [why])


def test_a_daemon_that_is_not_there(docker: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker's own words say what was asked, and docker itself may be missing."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    status, said = agent("1.5", check=True)
    assert status == 1
    assert "dial unix /nowhere: connect: no such file or directory" in said[-1]
    (tmp_path / "python3").symlink_to(Path(sys.executable).resolve())
    (tmp_path / "sh").symlink_to("/bin/sh")
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("PATH", str(tmp_path))
        assert agent("1.5", check=True) == (1, ["docker: not found on this machine"])


def test_who_may_not_use_docker_is_told(docker: Docker) -> None:
    """Neither the socket nor sudo lets them: both reasons are given."""
    run(docker)
    status, said = agent("1.5", check=True, within=NOBODY)
    assert status == 1
    assert "permission denied" in said[-1]
    assert "sudo: " in said[-1]


def test_who_may_sudo_may_use_docker(docker: Docker) -> None:
    """Where the socket is not for them, sudo is tried."""
    run(docker)
    status, said = agent("1.5", within=SUDOER)
    assert (status, said) == (0, ["shop runs shop:1.5 (healthy), no longer shop:1.4"])


def test_a_replacement_that_is_given_up_is_taken_back(docker: Docker) -> None:
    """As when rollout is ended, or the connection breaks: signalled, and with nobody to listen."""
    run(docker, "--health-cmd", "[ $RELEASE = 1.4 ] || sleep 60", "--health-interval", "50ms")
    before = docker.show("shop", ".Id")
    words = ["sh", "-c", driver("1.5").command or ""]
    given_up = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)
    assert given_up.stdout is not None
    try:
        both = {"shop": "shop:1.5", "shop.rollout-old": "shop:1.4"}
        wait(lambda: docker.containers() == both, "the new container")
    finally:
        os.killpg(given_up.pid, signal.SIGTERM)
        given_up.stdout.close()
        given_up.wait()
    wait(lambda: docker.containers() == {"shop": "shop:1.4"}, "the old container")
    wait(lambda: docker.show("shop", ".State.Running") == "true", "its start")
    assert docker.show("shop", ".Id") == before


def test_a_replacement_that_was_cut_off_is_settled_first(docker: Docker) -> None:
    """After a crash half way the old container is found under its other name, and comes back."""
    run(docker)
    docker("stop", "shop")
    docker("rename", "shop", "shop.rollout-old")
    docker("create", "--name", "shop.rollout-new", "shop:1.5")
    assert agent("1.5", check=True) == (0, [])
    status, said = agent("dies")
    assert status == 1
    assert said[0] == "an earlier replacement of shop was interrupted: its old container comes back first"
    assert said[-1].endswith("the one from shop:1.4 runs again")
    assert docker.containers() == {"shop": "shop:1.4"}


def test_what_a_finished_replacement_left_is_removed(docker: Docker) -> None:
    """Of two containers the one that serves stays; here it is the new one."""
    docker("create", "--name", "shop.rollout-old", "shop:1.4")
    run(docker)
    wait(lambda: docker.show("shop", ".State.Health.Status") == "healthy", "its health")
    status, said = agent("1.5")
    assert (status, said) == (0, ["shop runs shop:1.5 (healthy), no longer shop:1.4"])
    assert docker.containers() == {"shop": "shop:1.5"}
