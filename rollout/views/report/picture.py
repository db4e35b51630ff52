"""The picture of a deployment: a bar for each node, and below it the charts on the same time axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from xml.etree.ElementTree import Element

from rollout.decisions.story import NodeStory, StepStory, Story, TryStory
from rollout.domain import Step
from rollout.events import Halted, NodeFailed, Paused
from rollout.views.report.axis import LEFT, RIGHT, Axis
from rollout.views.report.series import Chart, Line, Points
from rollout.views.report.svg import NAMESPACE, STYLE, element
from rollout.views.text import duration

WIDTH = 1000.0
_TOP = 30.0
"""Where the first row begins, below the times of day."""
_ROW, _SMALL_ROW, _MANY = 20.0, 13.0, 40
"""The height of a node's row, and of one of many nodes."""
_CHART, _ABOVE, _BELOW = 90.0, 34.0, 12.0
"""The height of a chart, of its title, and of the room below it."""
_LONGEST = 17
"""Characters of a node's name that fit beside its row."""


def picture(story: Story, axis: Axis, charts: Sequence[Chart], heading: str = "") -> Element:
    """The whole picture. With a `heading` it stands alone; else it is part of a page, which has the style."""
    above = 40.0 if heading else 0.0
    row = _ROW if len(story.nodes) <= _MANY else _SMALL_ROW
    rows_end = above + _TOP + row * len(story.nodes)
    height = rows_end + 24 + (_ABOVE + _CHART + _BELOW) * len(charts)
    root = element(
        "svg",
        xmlns=NAMESPACE,
        viewBox=f"0 0 {WIDTH:.0f} {height:.0f}",
        width=WIDTH,
        height=height,
        role="img",
        aria_label=described(story, charts),
    )
    if heading:
        root.append(element("style", STYLE))
        root.append(element("rect", width=WIDTH, height=height, fill="#ffffff"))
        root.append(element("text", heading, x=10.0, y=20.0, class_="heading"))
        root.extend(_legend(above - 6))
    root.extend(_grid(axis, above + _TOP - 8, height - _BELOW))
    for number, node in enumerate(story.nodes.values()):
        root.append(_row(story, axis, node, above + _TOP + row * number, row, number))
    root.extend(_marks(story, axis, above + _TOP - 8, rows_end))
    top = rows_end + 24
    for chart in charts:
        root.append(_chart(axis, chart, top))
        top += _ABOVE + _CHART + _BELOW
    return root


def described(story: Story, charts: Sequence[Chart]) -> str:
    """The picture in words, for those who do not see it."""
    done = f"{story.progress.done} of {story.progress.total} nodes done"
    peaks = (f"{chart.title}: at most {chart.highest:,.0f} {chart.unit}" for chart in charts)
    return f"Timeline of {len(story.nodes)} nodes over {duration(story.seconds)}, {done}. {'. '.join(peaks)}"


def colour(line: Line, number: int) -> str:
    """The class of a line's colour."""
    return "alarm" if line.bad and line.name.startswith(("answered", "failures")) else f"s{number % 6}"


def _legend(y: float) -> Iterator[Element]:
    x = LEFT
    for step in Step:
        yield element("rect", x=x, y=y - 9, width=10.0, height=10.0, class_=step.value)
        yield element("text", step.value, x=x + 14, y=y)
        x += 78


def _grid(axis: Axis, top: float, bottom: float) -> Iterator[Element]:
    for x, label in axis.ticks():
        yield element("line", x1=x, x2=x, y1=top, y2=bottom, class_="grid")
        yield element("text", label, x=x + 2, y=top - 3, class_="tick")


def _row(story: Story, axis: Axis, node: NodeStory, y: float, height: float, number: int) -> Element:
    name = node.name if len(node.name) <= _LONGEST else f"{node.name[: _LONGEST - 1]}…"
    parts = [
        element("rect", x=0.0, y=y, width=WIDTH, height=height, class_="row") if number % 2 == 0 else None,
        element("text", name, x=LEFT - 8, y=y + height - height / 4, class_="end"),
    ]
    group = element("g", *(part for part in parts if part is not None), class_="node", data_node=node.name)
    for each in node.tries:
        of_try = story.tries[each.number - 1]
        for hook in each.hooks:
            end = of_try.last if hook.seconds is None else hook.command.time + hook.seconds
            title = f"{node.name} {hook.hook}: {hook.failure or duration(end - hook.command.time)}"
            group.append(_bar(axis, hook.command.time, end, y, height, "hook", title))
        for step in each.steps:
            if step.lasted:
                group.append(_step(axis, node, step, of_try, y, height))
        if isinstance(each.end, NodeFailed) and each.ended is not None:
            x = axis.x(each.ended)
            group.append(element("text", "✗", x=x + 3, y=y + height * 0.75, class_="bad-mark"))
    if not node.tries:
        word = "skipped" if node.skipped else "untouched"
        group.append(element("text", word, x=LEFT + 4, y=y + height * 0.75, class_="faint"))
    return group


def _step(axis: Axis, node: NodeStory, step: StepStory, each: TryStory, y: float, height: float) -> Element:
    seconds = each.last - step.began if step.seconds is None else step.seconds
    failed = f" FAILED: {step.failure.reason}" if step.failure else ""
    title = f"{node.name} {step.step} {duration(seconds)}{failed}"
    return _bar(
        axis, step.began, step.began + seconds, y, height, f"{step.step}{' failed' if failed else ''}", title
    )


def _bar(
    axis: Axis, began: float, ended: float, y: float, height: float, classes: str, title: str
) -> Element:
    left, right = axis.x(began), axis.x(ended)
    return element(
        "rect",
        element("title", title),
        x=left,
        y=y + 2,
        width=max(1.0, right - left),
        height=height - 4,
        class_=classes,
    )


def _marks(story: Story, axis: Axis, top: float, bottom: float) -> Iterator[Element]:
    """A line where the deployment was halted or paused."""
    for each in story.tries:
        for moment in each.moments:
            if isinstance(moment.event, Halted | Paused):
                x = axis.x(moment.time)
                word = "halted" if isinstance(moment.event, Halted) else "paused"
                title = element("title", f"{word}: {moment.event.reason}")
                yield element("line", title, x1=x, x2=x, y1=top, y2=bottom, class_="halt")


def _chart(axis: Axis, chart: Chart, top: float) -> Element:
    bottom = top + _ABOVE + _CHART
    most = _round_up(chart.highest)
    group = element(
        "g",
        element("text", f"{chart.title} ({chart.unit})", x=LEFT, y=top + 12, class_="title"),
        element("line", x1=LEFT, x2=RIGHT, y1=bottom, y2=bottom, class_="grid"),
        element("line", x1=LEFT, x2=RIGHT, y1=bottom - _CHART, y2=bottom - _CHART, class_="grid"),
        element("text", "0", x=LEFT - 8, y=bottom + 4, class_="tick end"),
        element("text", f"{most:,g}", x=LEFT - 8, y=bottom - _CHART + 4, class_="tick end"),
        class_="chart",
    )
    x = LEFT
    for number, line in enumerate(chart.lines):
        own = colour(line, number)
        group.append(element("rect", x=x, y=top + 18, width=14.0, height=3.0, class_=own))
        group.append(element("text", line.name, x=x + 18, y=top + 24))
        x += 34 + 6.6 * len(line.name)
        for run in line.runs:
            if len(run) > 1:
                path = _path(axis, run, bottom, most, stepped=chart.stepped)
                group.append(element("path", d=path, class_=f"{own} line{' dashed' if line.dashed else ''}"))
    return group


def _path(axis: Axis, run: Points, bottom: float, most: float, *, stepped: bool) -> str:
    points = [(axis.x(time), bottom - min(1.0, value / most) * _CHART) for time, value in run]
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (_, before), (x, y) in pairwise(points):
        if stepped:
            parts.append(f"H{x:.1f}" if y == before else f"H{x:.1f}V{y:.1f}")
        else:
            parts.append(f"L{x:.1f} {y:.1f}")
    return "".join(parts)


def _round_up(value: float) -> float:
    """The next round number, which is the top of a chart: 1, 1.5, 2, 3, …, 10, 15, …"""
    top = 1.0
    while True:
        for factor in (1, 1.5, 2, 3, 4, 5, 6, 8):
            if value <= top * factor:
                return top * factor
        top *= 10
