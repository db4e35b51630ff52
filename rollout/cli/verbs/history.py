"""`rollout history`: the deployments of a service, as the journal has them."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime

from rollout.cli.arguments import add_common, load_inventory
from rollout.cli.journal import open_journal
from rollout.decisions.fold import fold
from rollout.decisions.progress import Progress
from rollout.views.text import duration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser)
    parser.add_argument("--last", metavar="N", type=_count, default=20, help="how many (20)")


def run(arguments: argparse.Namespace) -> int:
    inventory = load_inventory(arguments)
    journal = open_journal(arguments.redaction)
    try:
        numbers = journal.deployments(inventory.service)[-arguments.last :]
        deployments = [fold(journal.records(number)) for number in numbers]
    finally:
        journal.close()
    known = [deployment for deployment in deployments if deployment.started is not None]
    if arguments.output == "json":
        sys.stdout.write(json.dumps([_document(deployment) for deployment in known], indent=2) + "\n")
    elif not known:
        line = f"{inventory.service} has not been deployed from here"
        sys.stdout.write(arguments.redaction.printable(line) + "\n")
    else:
        for deployment in known:
            sys.stdout.write(arguments.redaction.printable(_line(deployment)) + "\n")
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("expected a number from 1 up")
    return int(text)


def _line(deployment: Progress) -> str:
    begun = datetime.fromtimestamp(deployment.started or 0).strftime("%Y-%m-%d %H:%M")
    took = duration(deployment.seconds) if deployment.seconds is not None else "–"
    nodes = f"{deployment.done} of {deployment.total}"
    back = f" · rollback of {deployment.rollback_of}" if deployment.rollback_of else ""
    out = f" · left out: {', '.join(deployment.left_out)}" if deployment.left_out else ""
    return (
        f"{deployment.deployment:5}  {begun}  {deployment.release or 'restart':20} "
        f"{outcome(deployment):12} {nodes:>9}  {took:>8}  {deployment.user}@{deployment.host}{back}{out}"
    )


def outcome(deployment: Progress) -> str:
    """How it ended, in a word; `unfinished` if nothing says so."""
    return deployment.outcome.value if deployment.outcome is not None else "unfinished"


def _document(deployment: Progress) -> dict[str, object]:
    return {
        "deployment": deployment.deployment,
        "started": datetime.fromtimestamp(deployment.started or 0, UTC).isoformat(),
        "release": deployment.release,
        "rollback_of": deployment.rollback_of,
        "outcome": outcome(deployment),
        "seconds": deployment.seconds,
        "nodes": deployment.total,
        "done": deployment.done,
        "failed": deployment.failed,
        "left_out": list(deployment.left_out),
        "user": deployment.user,
        "host": deployment.host,
    }
