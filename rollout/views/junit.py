"""A JUnit file, which CI systems show as test results: a suite for a deployment, a case for each node."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from rollout.decisions.progress import NodeProgress, Phase, Progress
from rollout.domain import Outcome
from rollout.views.deployment_words import PAST
from rollout.views.ending import ending, fate
from rollout.views.text import change, duration, printable


def junit(deployments: Sequence[Progress], unbegun: str = "") -> str:
    """The file for these deployments. Where there is none, `unbegun` says why."""
    root = Element("testsuites", name="rollout")
    for progress in deployments:
        _suite(root, progress)
    if not deployments:
        suite = SubElement(root, "testsuite", name="rollout", tests="1", errors="1")
        case = SubElement(suite, "testcase", classname="rollout", name="deployment")
        SubElement(case, "error", message=printable(unbegun))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: Element, progress: Progress) -> None:
    nodes = list(progress.nodes.values())
    phases = [node.phase for node in nodes]
    done = progress.outcome is Outcome.DONE
    suite = SubElement(
        root,
        "testsuite",
        name=printable(f"{progress.service} {progress.release or 'restart'} ({progress.deployment})"),
        timestamp=datetime.fromtimestamp(progress.started or 0.0, UTC).isoformat(timespec="seconds"),
        hostname=printable(progress.host),
        tests=str(len(nodes) + 1),
        failures=str(phases.count(Phase.FAILED) + (not done)),
        errors=str(phases.count(Phase.RUNNING)),
        skipped=str(phases.count(Phase.WAITING) + phases.count(Phase.SKIPPED)),
        time=_seconds(progress.seconds),
    )
    whole = _case(suite, progress, f"deployment {progress.deployment}", progress.seconds)
    lines = ending(progress)
    if not done:
        failure = SubElement(whole, "failure", message=lines[0], type=str(progress.outcome or "unfinished"))
        failure.text = "\n".join(lines)
    SubElement(whole, "system-out").text = "\n".join(lines)
    for node in nodes:
        _node(suite, progress, node)


def _node(suite: Element, progress: Progress, node: NodeProgress) -> None:
    seconds = node.failure.seconds if node.failure else node.seconds
    case = _case(suite, progress, node.name, seconds)
    match node.phase:
        case Phase.FAILED:
            reason = node.failure.reason if node.failure else "failed"
            step = str(node.failure.step) if node.failure else ""
            failure = SubElement(case, "failure", message=printable(reason), type=step)
            tail = node.failure.tail if node.failure else ()
            failure.text = "\n".join(map(printable, [*tail, fate(node, balanced=progress.balanced)]))
        case Phase.RUNNING:
            SubElement(case, "error", message=printable(f"interrupted at {node.step}"))
        case Phase.WAITING:
            SubElement(case, "skipped", message="its turn did not come")
        case Phase.SKIPPED:
            SubElement(case, "skipped", message="somebody keeps it out of rotation")
        case Phase.DONE:
            steps = [f"{PAST[step]} {duration(took)}" for step, took in node.step_seconds.items()]
            lines = [change(node, progress.release_of(node.name)), *steps]
            SubElement(case, "system-out").text = "\n".join(map(printable, lines))


def _case(suite: Element, progress: Progress, name: str, seconds: float | None) -> Element:
    return SubElement(
        suite,
        "testcase",
        classname=printable(progress.service),
        name=printable(name),
        time=_seconds(seconds),
    )


def _seconds(seconds: float | None) -> str:
    return f"{seconds or 0.0:.3f}"
