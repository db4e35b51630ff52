"""The journal read back: `show`, `why` and `history`, as a team lead asks them the morning after."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli_support import Shell, refused

SECRET = "hunter2-and-more"
FAILS = {
    "command": "for line in 1 2 3 4 5; do echo $ROLLOUT_NODE says $line with ${TOKEN}; done; "
    'test "$ROLLOUT_NODE" != web2'
}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path)
    shell.environment |= {"TOKEN": SECRET, "TZ": "UTC"}
    return shell


def test_from_last_night_to_the_cause(shell: Shell) -> None:
    """A deployment that failed, was resumed by somebody else and is done now: what failed at first, and how
    long it all took, is there; and so is each printed line."""
    shell.environment["CI_JOB_URL"] = "https://ci.example/jobs/7"
    shell.write(restart=FAILS)
    assert shell.run("deploy", "--release", "2").code == 1
    del shell.environment["CI_JOB_URL"]
    shell.write(restart={"command": "echo mended"})
    assert shell.run("resume").code == 0

    line = shell.run("history").out
    assert re.search(r"^ +1  .*  2  done  2 of 2  .* · 2 tries · at first: web2 at restart: `for line", line)

    shown = shell.run("show").out
    assert shown.startswith("deployment 1 of shop: 2, try 2 done in ")
    assert "  job    https://ci.example/jobs/7\n" in shown
    assert "2 tries, " in shown
    assert "| web2 says 5 with ***\n" in shown
    assert "| mended\n" in shown

    whole = shell.run("show", "1", "--output-of", "web1").out
    assert [line for line in whole.splitlines() if "says" in line and "$" not in line] == [
        f"web1 says {number} with ***" for number in range(1, 6)
    ]
    told = json.loads(shell.run("show", "1", "--output", "json").out)
    assert [each["outcome"] for each in told["tries"]] == ["failed", "done"]
    assert told["seconds"] == pytest.approx(sum(each["seconds"] for each in told["tries"]))
    assert told["nodes"][1]["tries"][0]["steps"][-1]["failure"]["tail"][-1] == "web2 says 5 with ***"

    why = shell.run("why", "web2").out
    assert why.startswith("web2 is done: deployment 1 (2, ")
    assert "Its restart failed after " in why
    everything = "".join((line, shown, whole, json.dumps(told), why))
    assert SECRET not in everything


def test_a_report_is_a_file_and_names_itself(shell: Shell) -> None:
    """A page by default; the ending of the file names another format; Markdown is for pipes. No value of a
    variable is in any of them."""
    shell.write(restart=FAILS)
    assert shell.run("deploy", "--release", "2").code == 1
    assert shell.run("report").out == "rollout-shop-1.html\n"
    page = (shell.folder / "rollout-shop-1.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "web2 says 5 with ***" in page
    assert shell.run("report", "1", "-o", "one.svg").out == "one.svg\n"
    picture = (shell.folder / "one.svg").read_text()
    assert picture.startswith("<svg ")
    text = shell.run("report", "--format", "md").out
    assert text.startswith("## shop 2: deployment 1\n")
    again = shell.run("report", "-o", "-").out
    assert again.replace(made(again), "") == page.replace(made(page), "")
    assert SECRET not in page + picture + text


def made(page: str) -> str:
    """The line that says when a page was made."""
    return page[page.index("Made by rollout") : page.index("Times of day")]


def test_a_report_that_cannot_be_written_says_where(shell: Shell) -> None:
    """And one of a deployment that is not there, which ones are."""
    shell.write()
    refused(shell.run("report"), 3, "shop has not been deployed yet")
    shell.run("deploy")
    refused(
        shell.run("report", "-o", "no/such/folder.html"), 2, "cannot write the report to no/such", "-o FILE"
    )
    refused(shell.run("report", "4"), 3, "no deployment 4 of shop, only 1")


def test_why_tells_of_the_deployment_that_left_the_node_out(shell: Shell) -> None:
    """Whatever was deployed meanwhile: that is why it is out; another one can be asked for."""
    shell.write(restart=FAILS)
    assert shell.run("deploy", "--release", "2", "--limit", "web2").code == 1
    assert shell.run("deploy", "--release", "3", "--limit", "web1").code == 0
    why = shell.run("why", "web2")
    assert why.out.startswith("web2 failed at restart in deployment 1 (2, ")
    assert "put it back as it was, if it is healthy: rollout restore -i rollout.yml\n" in why.out
    assert json.loads(shell.run("why", "web2", "--output", "json").out)["left_out"]["deployment"] == 1
    refused(
        shell.run("why", "web2", "--deployment", "2"), 2, "deployment 2 of shop has no node 'web2'", "web1"
    )


def test_history_can_be_narrowed(shell: Shell) -> None:
    """To one node, to a time, to the last ones."""
    shell.write()
    for node in ("web1", "web2", "web1"):
        assert shell.run("deploy", "--limit", node).code == 0

    def numbers(*words: str) -> list[int]:
        return [int(line.split()[0]) for line in shell.run("history", *words).out.splitlines()]

    assert numbers() == [1, 2, 3]
    assert numbers("--node", "web1") == [1, 3]
    assert numbers("--node", "web1", "--last", "1") == [3]
    assert numbers("--since", "1h") == [1, 2, 3]
    later = shell.run("history", "--since", "2999-01-01")
    assert (later.code, later.out) == (
        0,
        "no deployment of shop began since then; all of them: rollout history -i rollout.yml\n",
    )
    assert json.loads(shell.run("history", "--since", "2999-01-01", "--output", "json").out) == []


def test_what_is_not_there_is_named_with_what_is(shell: Shell) -> None:
    """A deployment, a node, and a moment that nobody understands; and a service that has no history."""
    shell.write()
    for verb in (["show"], ["show", "3"], ["why", "web1"]):
        refused(shell.run(*verb), 3, "shop has not been deployed yet", "hint: rollout deploy")
    empty = shell.run("history")
    assert (empty.code, empty.out.splitlines()[0]) == (0, "shop has not been deployed yet")
    assert "rollout deploy -i rollout.yml --release RELEASE" in empty.out

    for _ in range(2):
        shell.run("deploy")
    refused(shell.run("show", "9"), 3, "no deployment 9 of shop, only 1 to 2")
    refused(shell.run("show", "1", "--output-of", "wbe1"), 2, "no node 'wbe1'", "did you mean web1?")
    refused(shell.run("why", "wbe1"), 2, "no node 'wbe1'", "did you mean web1?")
    refused(shell.run("history", "--node", "wbe1"), 2, "no node 'wbe1'", "did you mean web1?")
    assert "a date such as 2026-11-30" in shell.run("history", "--since", "soon").error
