"""What is left of a deployment for a CI system: a JUnit file, and the summary on GitHub's page of a run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rollout.cli.recorder import ShowRecord
from rollout.cli.redaction import Redaction
from rollout.decisions.fold import advance
from rollout.decisions.progress import Progress
from rollout.errors import RolloutError, UsageError
from rollout.events import DeploymentFinished, OutputSeen, Record
from rollout.views.junit import junit
from rollout.views.step_summary import step_summary

_SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable with which GitHub names the file for the summary of a step."""
_NO_END = "the deployment did not begin, or the job was killed before it ended"


class Reports:
    """The reports of one run, which may be a deployment and its rollback. Nothing here fails a deployment."""

    def __init__(self, file: Path | None, redaction: Redaction) -> None:
        """`file` is the JUnit file, which says from the beginning that nothing has ended well. Raises
        UsageError if it cannot be written."""
        self._file = file
        self._redaction = redaction
        self._ended: list[Progress] = []
        if file is not None:
            try:
                file.write_text(junit([], _NO_END), encoding="utf-8")
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                raise UsageError(f"--junit {file} cannot be written: {reason}") from None

    @contextmanager
    def following(self, before: Progress | None) -> Iterator[ShowRecord]:
        """Follows one deployment, and writes of it once it has ended, however that comes about. `before` is
        where a resumed deployment stands."""
        if self._file is None and not os.environ.get(_SUMMARY):
            yield lambda record: None
            return
        progress = before or Progress()

        def show(record: Record) -> None:
            nonlocal progress
            if not isinstance(record.event, OutputSeen):  # of which there may be a million
                progress = advance(progress, record)
            if isinstance(record.event, DeploymentFinished):
                _append_summary(step_summary(progress))

        try:
            yield show
        finally:
            if progress.started is not None:
                self._ended.append(progress)
                self._write(junit(self._ended))

    def refused(self, error: RolloutError) -> None:
        """Write that no deployment began."""
        if not self._ended:
            self._write(junit([], self._redaction.printable(str(error))))

    def _write(self, text: str) -> None:
        if self._file is None:
            return
        try:
            self._file.write_text(text, encoding="utf-8")
        except OSError as error:
            sys.stderr.write(f"rollout: warning: --junit {self._file} cannot be written: {error.strerror}\n")


def open_reports(arguments: argparse.Namespace) -> Reports:
    """The reports that a command line asks for. Raises UsageError."""
    redaction = getattr(arguments, "redaction", Redaction())
    reports = arguments.reports = Reports(getattr(arguments, "junit", None), redaction)
    return reports


def report_refusal(arguments: argparse.Namespace, error: RolloutError) -> None:
    """Write to the reports of a command line, if there are any, why nothing was deployed."""
    with suppress(UsageError):  # the file that cannot be written may be the reason
        (getattr(arguments, "reports", None) or open_reports(arguments)).refused(error)


def _append_summary(text: str) -> None:
    """Add to the summary of the step, where GitHub wants one."""
    if path := os.environ.get(_SUMMARY):
        try:
            with open(path, "a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            sys.stderr.write(f"rollout: warning: the step summary cannot be written: {error.strerror}\n")
