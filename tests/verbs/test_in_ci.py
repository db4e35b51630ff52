"""A deployment in a job of a CI system: what the system shows of it."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from cli_support import Shell, refused

from tests.support.receiver import Receiver, receiver
from tests.support.until import wait

TOKEN = "ghs_verysecret0123456789"
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_SHA": "c0ffee",
    "GITHUB_TOKEN": TOKEN,
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_RUN_ID": "77",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PROJECT_ID": "42",
    "CI_COMMIT_SHA": "c0ffee",
    "CI_COMMIT_REF_NAME": "v1.4.2",
    "CI_COMMIT_TAG": "v1.4.2",
    "CI_JOB_TOKEN": TOKEN,
}
DEPLOY = ("deploy", "--release", "1.4.2", "--environment", "production")


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver(status=201, answer={"id": 7}) as made:
        yield made


@pytest.fixture(autouse=True)
def no_proxy(shell: Shell) -> None:
    shell.environment["NO_PROXY"] = "*"


def suite(shell: Shell) -> ElementTree.Element:
    (only,) = ElementTree.parse(shell.folder / "junit.xml").getroot()
    return only


def test_github_shows_groups_annotations_and_a_summary(shell: Shell) -> None:
    """A group for each node, the failure beside the inventory, and the summary after what was there."""
    summary = shell.folder / "summary.md"
    summary.write_text("before\n")
    shell.environment |= GITHUB | {
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_WORKSPACE": str(shell.folder),
    }
    shell.write(restart={"command": 'echo "::error::forged"; test "$ROLLOUT_NODE" = web1'})
    ran = shell.run("deploy", "--release", "1.4.2")
    lines = ran.out.splitlines()
    assert (ran.code, ran.error) == (1, "")
    assert lines.count("::group::web1") == lines.count("::group::web2") == 1
    assert lines.count("::endgroup::") == 2
    errors = [line for line in lines if line.startswith("::error")]
    assert errors[0].startswith("::error file=rollout.yml,title=shop%3A web2 failed at restart::")
    assert not any(line.endswith("::forged") and line.startswith("::error::") for line in lines)
    told = summary.read_text()
    assert told.startswith("before\n### ❌ shop 1.4.2 failed")
    assert "| web2 | ❌ failed |" in told


def test_a_mistake_of_the_inventory_is_shown_beside_its_line(shell: Shell) -> None:
    """GitHub takes the file and the line from the message."""
    shell.environment |= GITHUB
    (shell.folder / "prod.yml").write_text("service: shop\nnodez: {}\n")
    ran = shell.run("deploy", "-i", "prod.yml")
    assert ran.code == 2
    assert "\n::error file=prod.yml,line=2::prod.yml:2:1: nodez: " in ran.error
    assert "\n::error title=rollout::no inventory" in shell.run("deploy").error


def test_a_junit_file_has_every_node(shell: Shell) -> None:
    """Of a success, a failure with its rollback, and a refusal."""
    shell.write()
    assert shell.run("deploy", "--release", "1", "--junit", "junit.xml").code == 0
    assert suite(shell).attrib | {"tests": "3", "failures": "0", "skipped": "0"} == suite(shell).attrib
    shell.write(
        restart={"command": 'test "$ROLLOUT_RELEASE" = 1'},
        strategy={"on_failure": "rollback"},
        release={"command": "true"},
    )
    assert shell.run("deploy", "--release", "2", "--junit", "junit.xml").code == 1
    first, second = ElementTree.parse(shell.folder / "junit.xml").getroot()
    assert (first.attrib["failures"], second.attrib["failures"]) == ("2", "0")
    shell.write(nodes={})
    assert shell.run("deploy", "--junit", "junit.xml").code == 2
    assert "nodes" in suite(shell)[0][0].attrib["message"]


def test_a_junit_file_that_cannot_be_written_is_refused_beforehand(shell: Shell) -> None:
    """Nobody must find out after the deployment."""
    shell.write()
    refused(
        shell.run("deploy", "--junit", "no/such/junit.xml"), 2, "--junit no/such/junit.xml cannot be written"
    )
    assert shell.restarted == []


def test_a_job_that_is_killed_leaves_no_success(shell: Shell) -> None:
    """The file is there from the beginning, and says that nothing ended well."""
    shell.write(restart={"command": f"touch {shell.folder}/begun; sleep 60"})
    with shell.start("deploy", "--junit", "junit.xml") as process:
        wait((shell.folder / "begun").exists, "the restart")
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert suite(shell).attrib["errors"] == "1"
    assert "killed before it ended" in suite(shell)[0][0].attrib["message"]


@pytest.mark.parametrize(("restart", "code", "state"), [("true", 0, "success"), ("exit 1", 1, "failure")])
def test_github_lists_the_deployment(
    shell: Shell, server: Receiver, restart: str, code: int, state: str
) -> None:
    """Under the environment that is named: created, in progress, and how it ended; the token is shown to
    nobody."""
    shell.environment |= GITHUB | {"GITHUB_API_URL": server.url}
    shell.write(restart={"command": f"env; echo {TOKEN}; {restart}"})
    ran = shell.run(*DEPLOY)
    assert ran.code == code, ran.error
    created, begun, ended = server.posted
    assert created[0] == "/repos/acme/shop/deployments"
    asked = {"ref": "c0ffee", "environment": "production", "auto_merge": False, "required_contexts": []}
    assert created[1] | asked == created[1]
    status = "/repos/acme/shop/deployments/7/statuses"
    assert (begun[0], begun[1]["state"], ended[0], ended[1]["state"]) == (
        status,
        "in_progress",
        status,
        state,
    )
    assert ended[1]["log_url"] == "https://github.com/acme/shop/actions/runs/77"
    assert {headers["Authorization"] for _, headers in server.requests} == {f"Bearer {TOKEN}"}
    assert_secret(shell, ran.out + ran.error)


def test_gitlab_lists_the_deployment(shell: Shell, server: Receiver) -> None:
    """By the token of the job, or by one of its own."""
    shell.environment |= GITLAB | {"CI_API_V4_URL": f"{server.url}/api/v4"}
    shell.write()
    assert shell.run(*DEPLOY).code == 0
    assert server.posted == [
        (
            "/api/v4/projects/42/deployments",
            {"environment": "production", "sha": "c0ffee", "ref": "v1.4.2", "tag": True, "status": "running"},
        ),
        ("/api/v4/projects/42/deployments/7", {"status": "success"}),
    ]
    assert [method for method, _ in server.requests] == ["POST", "PUT"]
    assert server.requests[0][1]["JOB-TOKEN"] == TOKEN
    shell.environment["GITLAB_TOKEN"] = "glpat-another-secret"
    assert shell.run(*DEPLOY).code == 0
    assert server.requests[-1][1]["PRIVATE-TOKEN"] == "glpat-another-secret"


def test_nobody_is_told_without_being_asked(shell: Shell, server: Receiver) -> None:
    """A token in the environment is no wish."""
    shell.environment |= GITHUB | {"GITHUB_API_URL": server.url}
    shell.write()
    assert shell.run("deploy", "--release", "1.4.2").code == 0
    assert server.posted == []


@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ("GITHUB_TOKEN", "GitHub is not told of it: GITHUB_TOKEN is not set"),
        ("GITHUB_ACTIONS", "nobody is told of it: this is no job of GitHub Actions or GitLab CI"),
    ],
)
def test_who_cannot_be_told_is_a_warning(shell: Shell, lacks: str, said: str) -> None:
    """The deployment is carried out all the same."""
    shell.environment |= {name: value for name, value in GITHUB.items() if name != lacks}
    shell.write()
    ran = shell.run(*DEPLOY)
    assert (ran.code, ran.error) == (0, f"rollout: warning: {said}\n")
    assert shell.restarted == ["web1", "web2"]


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (500, None, "answered 500"),
        (422, {"message": f"no ref for {TOKEN}"}, "answered 422: no ref for ***"),
        (302, None, "answered 302"),
        (201, {"message": "merged"}, "the answer names no deployment"),
        (201, ["what"], "the answer names no deployment"),
    ],
)
def test_an_answer_of_no_use_fails_nothing(shell: Shell, status: int, answer: Any, said: str) -> None:
    """It is a warning, no redirect gets the token, and no further request is sent."""
    with receiver(status=status, answer=answer) as server:
        shell.environment |= GITHUB | {"GITHUB_API_URL": server.url}
        shell.write()
        ran = shell.run(*DEPLOY)
    assert (ran.code, len(server.posted)) == (0, 1)
    assert ran.error == f"rollout: warning: GitHub was not told: {said}\n"
    assert_secret(shell, ran.out + ran.error)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://nobody.invalid", "nonsense", "http://[::"])
def test_a_forge_that_cannot_be_reached_fails_nothing(shell: Shell, url: str) -> None:
    """Whatever its address is."""
    shell.environment |= GITHUB | {"GITHUB_API_URL": url}
    shell.write()
    ran = shell.run(*DEPLOY)
    assert ran.code == 0
    assert ran.error.startswith("rollout: warning: GitHub was not told: ")
    assert_secret(shell, ran.out + ran.error)


def test_a_forge_that_hangs_holds_up_no_node(shell: Shell) -> None:
    """All nodes are done before it is given up; the process then waits five seconds at most."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        shell.environment |= GITHUB | {"GITHUB_API_URL": f"http://{host}:{port}"}
        shell.write()
        with shell.start(*DEPLOY) as process:
            wait(lambda: shell.restarted == ["web1", "web2"], "both nodes")
            done = time.monotonic()
            out, error = process.communicate(timeout=30)
        assert time.monotonic() - done < 9
    assert process.returncode == 0
    assert "done on 2 of 2 nodes" in out
    assert error == "rollout: warning: GitHub was not told: no answer within 5 s\n"


def assert_secret(shell: Shell, shown: str) -> None:
    """The token stands neither on the screen nor in any file."""
    assert TOKEN not in shown
    for file in Path(shell.folder / "state").rglob("*"):
        assert file.is_dir() or TOKEN.encode() not in file.read_bytes()
