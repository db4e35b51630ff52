"""`rollout report`: write one deployment down as a page, a picture, or text for chats and tickets."""

from __future__ import annotations

import argparse
import re
import sys
import webbrowser
from pathlib import Path

from rollout.cli import event_loop
from rollout.cli.arguments import load_inventory
from rollout.cli.command_line.verbs.report import ENDINGS
from rollout.cli.read_story import Told, told_deployment
from rollout.errors import UsageError

_STDOUT = "-"


def run(arguments: argparse.Namespace) -> int:
    inventory = load_inventory(arguments)
    form = arguments.format or _form_of(arguments.out)
    told = event_loop.run(told_deployment(inventory, arguments.redaction, arguments.deployment))
    content = _content(told, form)
    if isinstance(content, str):
        content = arguments.redaction.text(content).encode()
    if arguments.out == _STDOUT or (arguments.out is None and form == "md"):
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return 0
    path = Path(arguments.out or _name(told, form))
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(
            f"cannot write the report to {path}: {error.strerror}", hint="name another file with -o FILE"
        ) from error
    sys.stdout.write(f"{path}\n")
    if arguments.open and not webbrowser.open(path.resolve().as_uri()):
        sys.stderr.write(f"rollout: no browser could be opened here; open {path} yourself\n")
    return 0


def _content(told: Told, form: str) -> str | bytes:
    """The report. What draws it is imported only here: it takes a while."""
    story = told.story
    if form == "html":
        from rollout.views.report.page import page

        return page(story, told.later, running=told.running, elsewhere=told.elsewhere)
    if form == "md":
        from rollout.views.report.markdown import markdown

        return "\n".join([*markdown(story, told.later, running=told.running), ""])

    from rollout.views.report.axis import Axis
    from rollout.views.report.picture import picture
    from rollout.views.report.png import png
    from rollout.views.report.series import charts
    from rollout.views.report.svg import markup
    from rollout.views.show import headline

    drawn = picture(story, Axis(story), charts(story), headline(story, running=told.running))
    return markup(drawn) if form == "svg" else png(drawn)


def _form_of(out: str | None) -> str:
    """The format that the ending of a file names; `html` for any other."""
    ending = Path(out or "").suffix.lower()
    return next((form for form, own in ENDINGS.items() if own == ending), "html")


def _name(told: Told, form: str) -> str:
    service = re.sub(r"[^\w.-]", "-", told.story.plan.service)
    return f"rollout-{service}-{told.story.progress.deployment}{ENDINGS[form]}"
