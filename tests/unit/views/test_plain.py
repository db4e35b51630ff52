"""Plain lines, as a log keeps them."""

from __future__ import annotations

import io

from rollout.domain import Step
from rollout.events import (
    HookEnded,
    HookPrinted,
    HookStarted,
    NodeReturned,
    OpinionHeard,
    OutputSeen,
    Progressed,
    Record,
    Warned,
)
from rollout.views.plain import Amount, PlainView

EXPECTED = """\
12:00:00 shop 1.4.2 → 3 nodes behind lb1, lb2 · one at a time, canary web1 (deployment 17)
12:00:00 1 node skipped: web4
12:00:00 warning: backend shop has no option redispatch
12:00:01 web1  drain    …
12:00:01 web1  drain    lb1> set server shop/web1 state drain
12:00:01 web1  drain    lb1 drains · 3 sessions left
12:00:07 web1  drain    lb1 drains · 1 session left
12:00:07 web1  drain    done in 6.5 s · no session left
12:00:07 web1  restart  …
12:00:07 web1  restart  $ sudo systemctl restart shop
12:00:07 web1  restart  $ sleep 1
12:00:09 web1  restart  done in 1.5 s
12:00:09 web1  done     1.4.1 → 1.4.2 in 8.0 s · 1 of 3
12:00:09 web2  restart  …
12:00:09 web2  restart  | starting shop
12:00:10 web2  restart  FAILED after 1.2 s: exit status 1
12:00:10 web2  restart  | ImportError: no module named shop
12:00:10 web2  restart  hint: ssh web2 journalctl -u shop
12:00:10 web2  FAILED   left out: it takes no traffic now
12:00:10 web2  warning  it is warm
12:00:10 halted, no further node starts: web2 failed

shop 1.4.2 failed after 1 min 15 s: web2 failed
  1 done: web1
  1 failed: web2
  1 untouched: web3
  1 skipped: web4

web2 failed at restart after 1.2 s: exit status 1
  | starting shop
  | ImportError: no module named shop
  left out: it takes no traffic now
  hint: ssh web2 journalctl -u shop

what to run next, or deploy again once the cause is fixed:
  rollout status -i 'my prod.yml'    # see where every node stands
  rollout resume -i 'my prod.yml'    # continue where it stopped
  rollout restore -i 'my prod.yml'   # put web2 back as it was, if it is healthy
  rollout rollback -i 'my prod.yml'  # put the old release back on web2 web1
"""


def test_a_whole_deployment(records: list[Record]) -> None:
    """A success, a failure with output, a skip and warnings read like this, down to the last line."""
    stream = io.StringIO()
    view = PlainView(stream, amount="all")
    for record in records:
        view.show(record)
    assert stream.getvalue() == EXPECTED


def shown(records: list[Record], amount: Amount) -> list[str]:
    stream = io.StringIO()
    view = PlainView(stream, amount=amount)
    for record in records:
        view.show(record)
    return stream.getvalue().splitlines()


def test_what_rollout_sends_on_its_own_is_left_out(records: list[Record]) -> None:
    """The commands of the inventory stay, and what they print."""
    gone = [line for line in EXPECTED.splitlines() if line.endswith("…") or "lb1>" in line]
    assert len(gone) == 4
    assert shown(records, "usual") == [line for line in EXPECTED.splitlines() if line not in gone]


def test_a_quiet_log_has_what_went_wrong_and_the_result(records: list[Record]) -> None:
    """The plan, warnings, failures, the halt and the end."""
    lines = shown(records, "little")
    assert lines[:2] == EXPECTED.splitlines()[:2]
    assert [line[9:] for line in lines[2:9]] == [
        "warning: backend shop has no option redispatch",
        "web2  restart  FAILED after 1.2 s: exit status 1",
        "web2  restart  | ImportError: no module named shop",
        "web2  restart  hint: ssh web2 journalctl -u shop",
        "web2  FAILED   left out: it takes no traffic now",
        "web2  warning  it is warm",
        "halted, no further node starts: web2 failed",
    ]
    assert lines[9:] == EXPECTED.splitlines()[21:]


def test_hooks_are_told_where_they_run(records: list[Record]) -> None:
    """Those of the whole deployment by their name alone; of one that failed, others tell."""
    stream = io.StringIO()
    view = PlainView(stream)
    view.show(records[0])
    stream.truncate(stream.seek(0))
    for event in (
        HookStarted("before_deploy", None, "here", "./may-we\n./announce\n"),
        HookPrinted("before_deploy", None, "fine"),
        HookEnded("before_deploy", None, 0.2),
        HookStarted("before_node", "web1", "node", "./silence"),
        HookPrinted("before_node", "web1", "no"),
        HookEnded("before_node", "web1", 0.2, "before_node failed"),
    ):
        view.show(Record(17, 2, records[0].time, event))
    assert stream.getvalue() == (
        "12:00:00 before_deploy  here> ./may-we\n"
        "12:00:00 before_deploy  here> ./announce\n"
        "12:00:00 before_deploy  | fine\n"
        "12:00:00 before_deploy  done in 0.2 s\n"
        "12:00:00 web1  before_node  $ ./silence\n"
        "12:00:00 web1  before_node  | no\n"
    )


def test_the_replies_about_a_release_are_told(records: list[Record]) -> None:
    """Which of them were bad or none, and that those of a shadow decide nothing."""
    stream = io.StringIO()
    view = PlainView(stream)
    view.show(records[0])
    stream.truncate(stream.seek(0))
    for event in (
        OpinionHeard("web1", "prometheus", "bad", "`q` is 0.7; the limit is 0.5"),
        OpinionHeard("web1", "command", "none", "`./x` exited with 127: it was not found", shadow=True),
    ):
        view.show(Record(17, 2, records[0].time, event))
    assert stream.getvalue() == (
        "12:00:00 web1  bake     prometheus: bad: `q` is 0.7; the limit is 0.5\n"
        "12:00:00 web1  bake     command (shadow): no answer: `./x` exited with 127: it was not found\n"
    )


def test_each_line_is_written_at_once(records: list[Record]) -> None:
    """A line can be read before the next event comes, also from a stream that buffers."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8")
    PlainView(stream).show(records[0])
    assert raw.getvalue().decode() == "".join(EXPECTED.splitlines(keepends=True)[:2])


def test_escape_sequences_do_not_get_through(records: list[Record]) -> None:
    """What a node prints can neither colour the log nor forge a line of it."""
    stream = io.StringIO()
    view = PlainView(stream)
    view.show(records[0])
    view.show(
        Record(
            17, 2, records[0].time, OutputSeen("web1", Step.RESTART, "\x1b[2Jgone\n12:00:00 web9 done\u202e")
        )
    )
    view.show(Record(17, 3, records[0].time, Warned("\x9b31m", node="we\x1bb")))
    assert stream.getvalue().splitlines()[2:] == [
        r"12:00:00 web1  restart  | \x1b[2Jgone\n12:00:00 web9 done\u202e",
        r"12:00:00 we\x1bb  warning  \x9b31m",
    ]


def test_a_node_put_back_by_hand(records: list[Record]) -> None:
    """A node that was left out and returns has its line."""
    stream = io.StringIO()
    PlainView(stream).show(Record(17, 1, records[0].time, NodeReturned("web1")))
    assert stream.getvalue() == "12:00:00 web1  ready    was put back by hand and takes traffic again\n"


def test_sessions_that_are_left_are_shown_at_once(records: list[Record]) -> None:
    """A load balancer that is drained first does not hide what another one still waits for."""
    stream = io.StringIO()
    view = PlainView(stream)
    view.show(records[0])
    stream.truncate(stream.seek(0))
    for seconds, detail, sessions in (
        (0.1, "lb1 drained", 0),
        (0.2, "lb1 drained, lb2 1 left", 1),
        (0.3, "lb1 drained, lb2 2 left", 2),
        (0.4, "lb1 drained, lb2 drained", 0),
    ):
        view.show(Record(17, 2, records[0].time + seconds, Progressed("web1", Step.DRAIN, detail, sessions)))
    assert stream.getvalue() == (
        "12:00:00 web1  drain    lb1 drained\n"
        "12:00:00 web1  drain    lb1 drained, lb2 1 left · 1 session left\n"
    )
