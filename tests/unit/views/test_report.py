"""The report: complete, small, and made of nothing that a deployment may say."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from rollout.decisions.story import Story
from rollout.errors import UsageError
from rollout.events import DeploymentResumed, Record
from rollout.views.report.axis import LEFT, RIGHT, Axis
from rollout.views.report.markdown import markdown
from rollout.views.report.page import page
from rollout.views.report.picture import picture
from rollout.views.report.png import png
from rollout.views.report.rows import rows
from rollout.views.report.series import charts
from rollout.views.report.svg import markup
from tests.support.stories import rolled, told

HOSTILE = "</script></style>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}&amp;\x1b[31m"


class Tags(HTMLParser):
    """The elements of a page, and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(text)
    return parser.found


def html(story: Story) -> str:
    return page(story, [], running=False, elsewhere=False)


def test_a_hundred_nodes_are_less_than_two_megabytes() -> None:
    """With half an hour of samples, and commands that print thousands of lines: of those, the page has the
    last ones, and the command that shows all."""
    story = told(rolled(100, window=5, lines=1_000, fails="web77"))
    text = html(story)
    assert len(text.encode()) < 2_000_000
    assert all(f'data-node="web{number}"' in text for number in range(1, 101))
    assert "1,000 printed lines" in text
    assert "all of them: rollout show -i prod.yml 17 --output-of web77" in text
    assert text.count("999 Unpacking shop") == 199 + 1  # a release and a restart of each node


def test_a_page_needs_no_network() -> None:
    """No element loads anything, and the browser is told to refuse it."""
    found = tags(html(told(rolled(3))))
    loads = [
        (tag, value)
        for tag, attributes in found
        for name, value in attributes.items()
        if name in ("src", "srcset", "data", "poster", "action") or (name == "href" and tag != "a")
    ]
    assert loads == [("link", "data:,")]
    policies = [attributes.get("content") or "" for tag, attributes in found if tag == "meta"]
    assert any("default-src 'none'" in policy for policy in policies)
    assert "@import" not in html(told(rolled(3)))


def test_no_text_of_a_deployment_is_taken_for_markup() -> None:
    """Whatever names, output and reasons say: in HTML, in the script's data, in SVG, in Markdown."""
    story = told(rolled(3, fails="web2", hostile=HOSTILE))
    plain = tags(html(told(rolled(3, fails="web2"))))
    hostile = tags(html(story))
    assert [tag for tag, _ in hostile] == [tag for tag, _ in plain]
    assert not any(name.startswith("on") for _, attributes in hostile for name in attributes)
    assert "{{ 7 * 7 }}" in html(story)
    assert "\x1b" not in html(story)
    ElementTree.fromstring(markup(picture(story, Axis(story), charts(story), HOSTILE)))
    outside_code = "".join("\n".join(markdown(story, [], running=False)).split("```")[::2])
    assert "\\<img" in outside_code
    assert not re.search(r"(?<!\\)<", outside_code)


def test_the_picture_is_on_one_axis() -> None:
    """Every bar lies between its left and right edge, and every line of every chart."""
    story = told(rolled(5, window=2, fails="web3"))
    drawn = charts(story)
    assert [chart.title for chart in drawn] == [
        "Requests by release",
        "Errors by release",
        "Sessions on each load balancer",
        "Servers that take traffic",
        "Probe",
    ]
    root = picture(story, Axis(story), drawn)
    bars = [rect for node in root.iter("g") if node.get("class") == "node" for rect in node.iter("rect")]
    steps = [rect for rect in bars if rect.get("class") != "row"]
    assert len(steps) == 4 * 6 + 3
    assert sum("failed" in str(rect.get("class")) for rect in steps) == 1
    for rect in steps:
        left, width = float(str(rect.get("x"))), float(str(rect.get("width")))
        assert LEFT <= left <= left + width <= RIGHT + 1
    paths = [path.get("d") for path in root.iter("path")]
    assert len(paths) == sum(len(chart.lines) for chart in drawn)
    assert "Timeline of 5 nodes over " in str(root.get("aria-label"))
    assert "Errors by release: at most " in str(root.get("aria-label"))


def test_tries_stand_side_by_side(records: list[Record]) -> None:
    """A night between them does not squeeze the picture."""
    last = records[-1]
    resumed = DeploymentResumed(("web2",), (), "bob", "desk", 43)
    again = [
        Record(17, last.sequence + 1, last.time + 36_000, resumed),
        Record(17, last.sequence + 2, last.time + 36_075, last.event),
    ]
    axis = Axis(told([*records, *again]))
    first, second = axis.segments
    assert first.right - first.left == pytest.approx(second.right - second.left)
    assert axis.x(last.time + 18_000) == first.right
    assert axis.x(last.time + 36_000) == second.left


def test_a_journal_without_samples_has_no_charts(records: list[Record]) -> None:
    """An older rollout recorded none: the page says so, and has the rest."""
    story = told(records)
    assert charts(story) == ()
    assert "The journal has no samples of this deployment" in html(story)


def test_a_long_deployment_is_thinned() -> None:
    """No line has more than 600 points, and counters lose nothing by that."""
    story = told(rolled(200))
    requests, *_ = charts(story)
    samples = story.tries[0].samples
    assert len(samples) > 1_800
    (run,) = requests.lines[0].runs
    assert len(run) <= 600
    seconds = [at for at, _ in run]
    counted = sum(
        rate * (now - before) for (now, rate), before in zip(run, [samples[0].time, *seconds], strict=False)
    )
    assert counted == pytest.approx(samples[-1].seen.requests[0], rel=0.05)


def test_rows_are_in_order_and_searchable() -> None:
    """Each command has its output, and trouble is marked as such."""
    found = rows(told(rolled(3, fails="web2")))
    assert [row.time for row in found] == sorted(row.time for row in found)
    restarts = [row for row in found if row.command == "sudo systemctl restart shop"]
    assert [row.node for row in restarts] == ["web1", "web2", "web3"]
    assert all(len(row.printed) == 5 for row in restarts)
    bad = [row.text for row in found if row.bad]
    assert any(text.startswith("FAILED after 2.0 s: exit status 1") for text in bad)
    assert any("halted, no further node starts: web2 failed" in text for text in bad)


def test_markdown_for_a_ticket() -> None:
    """How it ended, what users saw, what failed and why; of many nodes only those that are not done."""
    lines = [*markdown(told(rolled(40, fails="web7")), [], running=False)]
    text = "\n".join(lines)
    assert lines[0] == "## shop 1.4.2: deployment 17"
    assert "**failed after 6 min 49 s: web7 failed**" in text
    assert "- users saw 32 errors in 150,020 requests: 20 by HAProxy" in text
    assert "39 nodes done: web1 … web40" in text
    assert "| web7 | failed, left out | 1.4.1 → 1.4.2 | – |" in text
    assert "| web8 |" not in text
    assert "```\nImportError: " in text


def test_png_is_what_svg_shows() -> None:
    """In twice the size, so that it is sharp."""
    pytest.importorskip("resvg_py")
    story = told(rolled(3))
    drawn = picture(story, Axis(story), charts(story), "shop")
    image = png(drawn)
    assert image.startswith(b"\x89PNG")
    width = int.from_bytes(image[16:20], "big")
    assert width == 2 * float(str(drawn.get("width")))


def test_png_without_resvg_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what needs nothing."""
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    story = told(rolled(2))
    with pytest.raises(UsageError, match="resvg, which is not installed") as caught:
        png(picture(story, Axis(story), charts(story), "shop"))
    assert "pip install 'rollout[png]', or use --format svg" in str(caught.value.hint)
