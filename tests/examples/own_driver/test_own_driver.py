"""A driver of another package, installed as pip installs it: rollout deploys with it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import write_inventory
from tests.support.until import wait

EXAMPLE = Path(__file__).parents[3] / "examples" / "own_driver"
APPLICATION = """\
cd {folder}
while :; do
    sleep 600 &
    echo $! >pid
    until [ touched -nt started ]; do sleep 0.02; done
    touch -r touched started
    kill $!
done
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with that of the example, and with one that cannot be imported."""
    folder = tmp_path_factory.mktemp("packages")
    for module in EXAMPLE.glob("*.py"):
        shutil.copy(module, folder)
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    (drivers,) = project["entry-points"].values()
    install(folder, project["name"], drivers)
    (folder / "unloved.py").write_text("import no_such_module\n")
    install(folder, "unloved", {"unloved": "unloved"})
    return folder


def install(folder: Path, name: str, drivers: dict[str, str]) -> None:
    """What pip writes beside a package's modules."""
    about = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = "".join(f"{driver} = {module}\n" for driver, module in drivers.items())
    (about / "entry_points.txt").write_text(f"[rollout.drivers]\n{lines}")


def rollout(packages: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    return subprocess.run(
        [sys.executable, "-m", "rollout", *words], env=environment, capture_output=True, text=True, timeout=60
    )


def inventory(folder: Path, restart: dict[str, Any]) -> str:
    return str(write_inventory(folder / "shop.yml", {"restart": restart}))


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Path]:
    """One that runs; its folder."""
    for name in ("touched", "started"):
        (tmp_path / name).touch()
    os.utime(tmp_path / "touched", (1, 1))
    os.utime(tmp_path / "started", (1, 1))
    script = APPLICATION.format(folder=tmp_path)
    running = subprocess.Popen(["sh", "-c", script], start_new_session=True)
    wait(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "the application")
    yield tmp_path
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def test_a_deployment_restarts_with_it(packages: Path, application: Path) -> None:
    """Its settings are filled in and checked, its proof is waited for, and it needs no load balancer."""
    before = (application / "pid").read_text().strip()
    settings = {"file": f"{application}/touched", "pidfile": f"{application}/pid"}
    path = inventory(application, {"touched": settings, "timeout": "20s"})
    text = Path(path).read_text().replace("load_balancers: {}\n", "")
    Path(path).write_text(text)
    done = rollout(packages, "deploy", "-i", path, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    after = (application / "pid").read_text().strip()
    assert f"process {after} in place of {before}" in done.stdout
    refused = rollout(
        packages, "check", "-i", inventory(application, {"touched": {**settings, "file": "/no"}})
    )
    assert refused.returncode == 3
    assert "/no is not there, or not writable" in refused.stdout


def test_mistakes_in_its_settings_are_those_of_the_inventory(packages: Path, tmp_path: Path) -> None:
    """They have their line and key, as with any driver, also where it is one of several."""
    several = {"restart": [{"command": "true"}, {"touched": {"fiel": "/x", "pidfile": "x"}}]}
    path = str(write_inventory(tmp_path / "shop.yml", several))
    done = rollout(packages, "plan", "-i", path)
    assert done.returncode == 2
    assert "restart[1].touched.fiel: unknown key; did you mean file?" in done.stderr
    assert "restart[1].touched.pidfile: found 'x', expected an absolute path" in done.stderr


def test_a_driver_that_is_not_there_or_cannot_be_used(packages: Path, tmp_path: Path) -> None:
    """The message lists those that packages bring; the error of a broken one names its package."""
    unknown = rollout(packages, "plan", "-i", inventory(tmp_path, {"zope": "x"}))
    assert unknown.returncode == 2
    assert "uwsgi, start, timeout; packages bring touched, unloved" in unknown.stderr
    mistyped = rollout(packages, "plan", "-i", inventory(tmp_path, {"tuched": "x"}))
    assert "restart.tuched: unknown key; did you mean touched?" in mistyped.stderr
    broken = rollout(packages, "plan", "-i", inventory(tmp_path, {"unloved": "x"}))
    assert broken.returncode == 2
    assert (
        "restart.unloved: the driver unloved of the package unloved cannot be used: ModuleNotFoundError: "
        "No module named 'no_such_module'" in broken.stderr
    )


def test_the_schema_has_it(packages: Path, tmp_path: Path) -> None:
    """Editors know its settings. One that cannot be loaded is named."""
    only = tmp_path / "packages"
    shutil.copytree(packages, only, ignore=shutil.ignore_patterns("unloved*"))
    schema = json.loads(rollout(only, "schema").stdout)
    assert schema["$defs"]["Settings"]["properties"]["file"]["anyOf"][0]["pattern"] == "^/"
    assert schema["$defs"]["Restart"]["properties"]["touched"]["description"].startswith(
        "An application that"
    )
    broken = rollout(packages, "schema")
    assert broken.returncode == 2
    assert "the driver unloved of the package unloved cannot be used" in broken.stderr
