"""The annotations of GitHub Actions: errors and warnings that stand beside a file and on the run's page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rollout.decisions.fold import advance
from rollout.decisions.progress import Progress
from rollout.events import DeploymentFinished, Record, StepFailed, Warned
from rollout.views.text import Lines, printable


class Annotations:
    """Writes an annotation for each failure and each warning of a deployment."""

    def __init__(self, lines: Lines, file: str, progress: Progress | None = None) -> None:
        """`file` is the inventory's path in the checkout; empty if it is not there."""
        self._lines = lines
        self._file = file
        self._progress = progress or Progress()

    def show(self, record: Record) -> None:
        service = self._progress.service
        match record.event:
            case StepFailed(node=node, step=step, reason=reason, tail=tail):
                text = "\n".join([reason, *tail])
                self._write("error", f"{service}: {node} failed at {step}", text)
            case Warned(node=node, message=message):
                self._write("warning", f"{service}: {node}" if node else service, message)
            case DeploymentFinished(reason=reason) if reason:
                self._write("error", service, reason)
        self._progress = advance(self._progress, record)

    def _write(self, kind: str, title: str, text: str) -> None:
        self._lines.write(annotation(kind, text, file=self._file, title=title))


def annotation(kind: str, text: str, *, file: str = "", line: int | None = None, title: str = "") -> str:
    """`::error file=prod.yml,line=12,title=shop: web2 failed at restart::exited with 1`."""
    given = {"file": file, "line": line, "title": title}
    properties = ",".join(f"{name}={_property(str(value))}" for name, value in given.items() if value)
    shown = "%0A".join(_data(printable(part)) for part in text.split("\n"))
    return f"::{kind}{' ' if properties else ''}{properties}::{shown}"


def in_checkout(path: Path, environment: Mapping[str, str]) -> str:
    """The path of a file as GitHub names it, in the checkout of a job; empty if it is not there."""
    workspace = environment.get("GITHUB_WORKSPACE")
    try:
        return str(path.resolve().relative_to(Path(workspace).resolve())) if workspace else str(path)
    except ValueError:
        return ""


def _data(text: str) -> str:
    return text.replace("%", "%25")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")
