import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lab_support import nothing_left, run_cli

from rollout.lab import demo
from rollout.lab.lab import Lab, down


def test_the_command_line_starts_uses_and_ends_a_lab(tmp_path: Path) -> None:
    """`up` says what to type next, `traffic` prints its figures, `down` may be said twice."""
    directory = tmp_path / "lab"
    try:
        up = run_cli(
            "up", "--nodes", "2", "--load-balancers", "2", "--start", "10ms", "--directory", directory
        )
        assert up.returncode == 0, up.stderr
        for words in (
            "rollout status -i",
            "rollout deploy -i",
            "--release 2",
            "rollout lab traffic",
            "rollout lab down",
        ):
            assert words in up.stdout
        traffic = run_cli("traffic", "--rate", "100", "--duration", "1s", "--directory", directory)
        assert traffic.returncode == 0, traffic.stderr
        assert "requests sent · 0 lost" in traffic.stdout
        again = run_cli("up", "--directory", directory)
        assert again.returncode == 3
        assert f"rollout lab down --directory {directory}" in again.stderr
    finally:
        first = run_cli("down", "--directory", directory)
    assert first.stdout == "The lab is down\n"
    assert nothing_left(directory)
    second = run_cli("down", "--directory", directory)
    assert (second.returncode, second.stdout) == (0, f"No lab is up in {directory}\n")


@pytest.mark.parametrize(
    "words",
    [
        "up --nodes 0",
        "up --nodes -1",
        "up --nodes many",
        "up --nodes 201",
        "up --load-balancers 10",
        "up --start 3",
        "traffic --rate 0",
        "traffic --duration soon",
        "traffic --directory /nowhere",
        "sideways",
        "",
    ],
)
def test_impossible_arguments_are_one_clear_message(words: str) -> None:
    """Exit code 2, no traceback."""
    done = run_cli(*words.split())

    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_demo_without_a_new_release_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment that says it is done while no node serves the new release does not count."""

    async def nothing(lab: Lab) -> int:
        return 0

    monkeypatch.setattr(demo, "_deploy", nothing)
    monkeypatch.setattr(demo, "_AFTER", 0.1)

    assert demo.demo(tmp_path / "lab", nodes=1, load_balancers=1, rate=100) == 1
    assert nothing_left(tmp_path / "lab")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """In the middle of a deployment, Ctrl-C or a CI runner's TERM ends the demo and the lab with it."""
    directory = tmp_path / "lab"
    command = [sys.executable, "-m", "rollout", "lab", "demo", "--nodes", "2", "--directory", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            assert any(line.startswith("$ rollout deploy") for line in process.stdout)
            process.send_signal(number)
            output = process.stdout.read()
            assert process.wait(30) == 130, output
            assert "Traceback" not in output
            assert nothing_left(directory)
        finally:
            process.kill()
            down(directory)


def test_the_demo_loses_nothing(tmp_path: Path) -> None:
    """Lab, traffic through two load balancers, deployment, figures: exit code 0 and nothing left."""
    directory = tmp_path / "lab"
    done = run_cli("demo", "--nodes", "2", "--load-balancers", "2", "--rate", "150", "--directory", directory)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "requests sent · 0 lost" in done.stdout
    assert "nodes that serve release 2: 2 of 2" in done.stdout
    assert nothing_left(directory)
