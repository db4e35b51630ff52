"""The job files of `docs/ci.md`, run and cancelled as their systems do it."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


_PIP = f"""#!/bin/sh -e
# pip install [--quiet] rollout
for last; do :; done
test "$1 $last" = "install rollout"
beside=$(dirname "$0")/rollout
printf '#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m rollout "$@"\n' >"$beside"
chmod +x "$beside"
"""
_PYTHON = """#!/bin/sh -e
# python3 -m venv FOLDER
test "$1 $2 $#" = "-m venv 3"
mkdir -p "$3/bin"
cp "$(dirname "$0")/pip" "$3/bin"
"""


@dataclass
class Job:
    """One run of a job in a checkout, with a home of its own: its scripts, each a shell of its own."""

    scripts: list[str]
    """As the job file has them."""
    shell: tuple[str, ...]
    """The words that run the file with a script."""
    checkout: Path
    environment: dict[str, str]
    """The environment of every script."""
    also: list[dict[str, str]] = field(default_factory=list)
    """What each script has besides."""
    written: Callable[[str], str] = str
    """Makes the text of that file of a script."""
    process: Process | None = None
    """The shell of the last script that was started."""

    @property
    def printed(self) -> str:
        return (self.checkout / "log").read_text()

    async def run(self) -> int:
        """Run all scripts, until one fails; return its exit status."""
        with (self.checkout / "log").open("ab") as log:
            for number, script in enumerate(self.scripts):
                file = self.checkout / f"script{number}.sh"
                file.write_text(self.written(script))
                self.process = await asyncio.create_subprocess_exec(
                    *self.shell,
                    str(file),
                    cwd=self.checkout,
                    env=self.environment | (self.also[number] if self.also else {}),
                    stdin=DEVNULL,
                    stdout=log,
                    stderr=STDOUT,
                    start_new_session=True,
                )
                if status := await self.process.wait():
                    return status
        return 0

    async def cancel_as_github(self) -> None:
        """Tell the shell of the step, and nobody else, three times; then end what the job has left."""
        assert self.process is not None
        for number, seconds in ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5), (signal.SIGKILL, None)):
            self.process.send_signal(number)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), seconds)
                break
        for pid in self._processes():
            os.kill(pid, signal.SIGKILL)

    async def cancel_as_gitlab(self) -> None:
        """Tell the process group."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGTERM)

    async def cancel_as_jenkins(self) -> None:
        """Tell each process that the job has started, by a word in its environment."""
        for pid in self._processes():
            os.kill(pid, signal.SIGTERM)

    def lives(self) -> bool:
        """Whether anything of the job goes on."""
        return bool(self._processes())

    def _processes(self) -> list[int]:
        mark = f"HOME={self.environment['HOME']}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found


Make = Callable[[Path, dict[str, str], Mapping[str, str]], Job]
"""Makes the job of a system from its job file: in a checkout, with an environment, and with secrets and
inputs by name."""


def github(checkout: Path, environment: dict[str, str], given: Mapping[str, str]) -> Job:
    """The workflow: `given` are its secrets and inputs, by name."""
    job = yaml.safe_load(_block("# .github/workflows/deploy.yml"))["jobs"]["deploy"]
    steps = [step for step in job["steps"] if "run" in step]

    def filled(text: str) -> str:
        return re.sub(r"\$\{\{ \w+\.(\w+) \}\}", lambda found: given[found[1].upper()], text)

    also = [{name: filled(text) for name, text in step.get("env", {}).items()} for step in steps]
    scripts = [filled(step["run"]) for step in steps]
    return Job(scripts, ("bash", "-e"), checkout, environment, also)


def gitlab(checkout: Path, environment: dict[str, str], given: Mapping[str, str]) -> Job:
    """The job: variables of the type File are paths."""
    job = yaml.safe_load(_block("# .gitlab-ci.yml"))["deploy"]
    script = "\n".join([*job["before_script"], *job["script"]])
    variables = _files(checkout, given) | {"CI_COMMIT_TAG": given["RELEASE"]}

    def written(script: str) -> str:
        return f"set -eo pipefail\nset +o noclobber\n: | eval {shlex.quote(script)}\nexit 0\n"

    return Job([script], ("bash",), checkout, environment | variables, written=written)


def jenkins(checkout: Path, environment: dict[str, str], given: Mapping[str, str]) -> Job:
    """The step `sh` of the pipeline."""
    (script,) = re.findall(r"sh '''\n(.*?)'''", _block("// Jenkinsfile"), re.DOTALL)
    variables = _files(checkout, given) | {"RELEASE": given["RELEASE"]}
    return Job([script], ("sh", "-xe"), checkout, environment | variables)


def python(folder: Path) -> Path:
    """A folder of programs in which `pip` installs rollout from this checkout, without a network."""
    folder.mkdir()
    for name, text in (("pip", _PIP), ("python3", _PYTHON)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def _block(first_line: str) -> str:
    """The block of the page that begins with that line."""
    text = (ROOT / "docs/ci.md").read_text()
    (block,) = re.findall(rf"```\w+\n({re.escape(first_line)}\n.*?)```", text, re.DOTALL)
    return str(block)


def _files(checkout: Path, given: Mapping[str, Any]) -> dict[str, str]:
    """The secrets as files, as which these systems hand them over: the path of each, by name."""
    paths = {name: checkout / f"secret-{name}" for name in ("SSH_KEY", "KNOWN_HOSTS")}
    for name, path in paths.items():
        path.write_text(given[name])
    return {name: str(path) for name, path in paths.items()}
