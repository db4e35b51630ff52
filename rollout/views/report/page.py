"""The report as one page of HTML that needs nothing else: no network, no other file."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rollout.decisions.story import Story
from rollout.decisions.summary import Summary
from rollout.decisions.time_spent import Spent, spent
from rollout.domain import Step
from rollout.views.ending import users
from rollout.views.history import text as history_lines
from rollout.views.next_commands import command_line
from rollout.views.report.axis import Axis, Segment
from rollout.views.report.picture import colour, picture
from rollout.views.report.rows import rows
from rollout.views.report.series import Chart, Line, charts
from rollout.views.report.svg import markup
from rollout.views.show import facts, outcome, state
from rollout.views.text import duration, printable
from rollout.views.times import clock, moment, utc

_TEMPLATES = Path(__file__).parent / "templates"

WHY = {
    Step.PREPARE.value: "preparing nodes, while they serve",
    Step.DRAIN.value: "waiting for requests to end",
    Step.RELEASE.value: "installing the release",
    Step.RESTART.value: "restarting the application",
    Step.VERIFY.value: "waiting until the application is healthy",
    Step.READY.value: "returning nodes to rotation",
    Step.BAKE.value: "watching nodes under traffic",
    "hooks": "running your hooks",
    "paused": "paused",
    "between": "between steps: the lock, the gate, looks at HAProxy",
}
"""What the time of a deployment was spent with."""


def page(story: Story, later: Sequence[Summary], *, running: bool, elsewhere: bool) -> str:
    """The page of a story, as for `show.text`."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    environment.filters |= {"clock": clock, "duration": duration, "moment": moment, "utc": utc}
    axis, drawn, times = Axis(story), charts(story), spent(story)
    last = story.tries[-1]
    return environment.get_template("report.html").render(
        story=story,
        progress=story.progress,
        plan=story.plan,
        ended=outcome(last, running=running),
        state=state(story.progress, running=running),
        facts=[*facts(story)],
        users=[(each, [*users(each.users_saw, each.served, each.probed)]) for each in story.tries],
        picture=Markup(markup(picture(story, axis, drawn))),  # noqa: S704 - made of elements, all escaped
        lines=_script_data(
            [
                _data(axis, chart, number, line)
                for chart in drawn
                for number, line in enumerate(chart.lines)
                if not line.dashed
            ]
        ),
        charts=drawn,
        steps=[*Step],
        times=times,
        duration_text=in_words(story, times),
        whole=max(sum(each.seconds for each in times), 0.001),
        running=running,
        why=WHY,
        outcome=outcome,
        verdicts=[judged for each in story.tries for judged in each.judged],
        warnings=[*story.warnings],
        rows=rows(story),
        later=[*history_lines(later)] if later else [],
        elsewhere=elsewhere,
        whole_output=command_line("show", story.plan.inventory, str(story.progress.deployment)),
        clock_data=_script_data([_segment(each) for each in axis.segments]),
        made=time.time(),
        style=Markup((_TEMPLATES / "report.css").read_text()),  # noqa: S704 - a file of ours
        script=Markup((_TEMPLATES / "report.js").read_text()),  # noqa: S704 - a file of ours
    )


def _finalized(value: object) -> object:
    """Texts of a deployment without control characters; lines stay lines."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return "\n".join(map(printable, value.split("\n")))
    return value


def in_words(story: Story, times: Sequence[Spent]) -> str:
    """How much of the time no deployment could do without."""
    ideal = sum(each.seconds for each in times if each.ideal)
    whole = max(sum(each.seconds for each in times), 0.001)
    return (
        f"It took {duration(story.seconds)}. The ideal is what the application and your inventory needed: "
        f"{duration(ideal)} ({ideal / whole:.0%}). Users, people and rollout took {duration(whole - ideal)}."
    )


def _segment(segment: Segment) -> dict[str, float]:
    """A try for the script that reads the time off: `offset` is how far its time zone is from UTC."""
    local = datetime.fromtimestamp(segment.began).astimezone().utcoffset()
    return {**dataclasses.asdict(segment), "offset": local.total_seconds() if local else 0.0}


def _data(axis: Axis, chart: Chart, number: int, line: Line) -> dict[str, Any]:
    """A line for the script that reads values off: pixels and values."""
    points = [point for run in line.runs for point in run]
    return {
        "chart": chart.title,
        "unit": chart.unit,
        "name": line.name,
        "colour": colour(line, number),
        "x": [round(axis.x(time), 1) for time, _ in points],
        "y": [round(value, 2) for _, value in points],
    }


def _script_data(data: object) -> Markup:
    """JSON that cannot end the element of a script."""
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e")
    return Markup(text.replace("&", "\\u0026"))  # noqa: S704 - without `<`, `>` and `&` it is no markup
